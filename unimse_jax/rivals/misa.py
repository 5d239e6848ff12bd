"""MISA: shared parts and parts of their own (Hazarika et al., ACM MM 2020)."""

import itertools

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.attention import Attention
from unimse_jax.rivals.row_statistics import length, mean_of_rows
from unimse_jax.rivals.streams import Fused, Stream
from unimse_jax.rivals.utterance_vectors import UtteranceVectors

_MOMENTS = 5  # K of the central moment discrepancy


def moment_discrepancy(
  x: jax.Array, y: jax.Array, rows: jax.Array
) -> jax.Array:
  """Section 3.5.1, CMD_K: how far apart two distributions in (0, 1) are.

  The distance of the means, and of the central moments 2 to K.

  Args:
    x, y: float32[B, W], of sigmoids, so that b - a of the paper is one.
    rows: bool[B], the sample.

  Returns:
    float32[].
  """
  mean_x, mean_y = mean_of_rows(x, rows), mean_of_rows(y, rows)
  distance = length(mean_x - mean_y)
  for order in range(2, _MOMENTS + 1):
    moment_x = mean_of_rows((x - mean_x) ** order, rows)
    moment_y = mean_of_rows((y - mean_y) ** order, rows)
    distance += length(moment_x - moment_y)
  return distance


def overlap(x: jax.Array, y: jax.Array, rows: jax.Array) -> jax.Array:
  """Section 3.5.2, a term of the difference loss: squares of X^T Y.

  X and Y have zero mean over the rows and rows of length one. The mean of the
  squares, as in the authors' code: the paper writes their sum, but its weight
  was found with the mean.

  Args:
    x, y: float32[B, W].
    rows: bool[B], those that are compared.

  Returns:
    float32[].
  """

  def normed(z):
    z = jnp.where(rows[:, None], z - mean_of_rows(z, rows), 0.0)
    return z / (length(z)[:, None] + 1e-6)

  return jnp.square(normed(x).T @ normed(y)).mean()


class FusionLayer(nn.Module):
  """Section 3.4: a Transformer layer, norms last, over the six parts."""

  heads: int
  dropout: float

  @nn.compact
  def __call__(
    self, parts: jax.Array, mask: jax.Array, deterministic: bool
  ) -> jax.Array:
    """[B, P, W], bool[B, P] -> [B, P, W]."""
    drop = Dropout(self.dropout)
    width = parts.shape[-1]
    read = Attention(self.heads, self.dropout, name="attention")(
      parts, parts, mask, deterministic
    )
    parts = parts + drop(read, deterministic)
    parts = nn.LayerNorm(epsilon=1e-5, name="attention_norm")(parts)
    hidden = nn.relu(Dense(4 * width, name="hidden")(parts))
    hidden = Dense(width, name="out")(drop(hidden, deterministic))
    parts = parts + drop(hidden, deterministic)
    return nn.LayerNorm(epsilon=1e-5, name="hidden_norm")(parts)


class MISA(nn.Module):
  """A part that modalities share and one of its own for each.

  The utterance's vectors stand in place of BERT's mean and of two-layer
  bidirectional LSTMs; the rows that have both modalities are compared. An
  absent modality has no parts. The hidden layer of the Transformer, 2048 wide
  in the code, is 4 width.

  Attributes:
    similarity: alpha of section 3.5, as for MOSI.
    difference: beta.
    reconstruction: gamma.
    heads: number of heads of the fusion's attention.
  """

  width: int
  dropout: float
  similarity: float = 1.0
  difference: float = 0.3
  reconstruction: float = 1.0
  heads: int = 2

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    del batch
    vectors = UtteranceVectors(self.width, self.dropout, name="vectors")(
      streams, deterministic
    )
    present = {name: stream.present for name, stream in streams.items()}
    private, shared, errors = {}, {}, {}
    encode = Dense(self.width, name="shared")
    for name, vector in vectors.items():
      unit = nn.relu(Dense(self.width, name=f"{name}_projection")(vector))
      unit = nn.LayerNorm(epsilon=1e-5, name=f"{name}_norm")(unit)
      own = Dense(self.width, name=f"{name}_private")(unit)
      private[name] = nn.sigmoid(own)
      shared[name] = nn.sigmoid(encode(unit))
      decode = Dense(self.width, name=f"{name}_decoder")
      error = decode(private[name] + shared[name]) - unit
      errors[name] = mean_of_rows(jnp.square(error).mean(1), present[name])
    parts = jnp.stack([*private.values(), *shared.values()], axis=1)
    mask = jnp.stack([*present.values()] * 2, axis=1)
    parts = FusionLayer(self.heads, self.dropout, name="fusion")(
      parts, mask, deterministic
    )
    joined = jnp.where(mask[..., None], parts, 0.0).reshape(len(parts), -1)
    joined = Dropout(self.dropout)(joined, deterministic)
    vector = nn.relu(Dense(self.width, name="hidden")(joined))
    if deterministic:
      return Fused(vector)
    similar, different = self._compare(private, shared, present)
    reconstructed = sum(errors.values()) / len(errors)
    return Fused(
      vector,
      {
        "similarity": self.similarity * similar,
        "difference": self.difference * different,
        "reconstruction": self.reconstruction * reconstructed,
      },
    )

  def _compare(
    self,
    private: dict[str, jax.Array],
    shared: dict[str, jax.Array],
    present: dict[str, jax.Array],
  ) -> tuple[jax.Array, jax.Array]:
    """The similarity loss and the difference loss, each float32[]."""
    different = sum(
      overlap(private[name], shared[name], present[name]) for name in private
    )
    similar, pairs = jnp.zeros(()), [*itertools.combinations(private, 2)]
    for one, other in pairs:
      both = present[one] & present[other]
      similar += moment_discrepancy(shared[one], shared[other], both)
      different += overlap(private[one], private[other], both)
    return similar / max(len(pairs), 1), different
