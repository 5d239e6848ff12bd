"""MFM: Multimodal Factorization Model (Tsai et al., ICLR 2019)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models import masks
from unimse_jax.models.dense import Dense
from unimse_jax.rivals.mag import align
from unimse_jax.rivals.memory_fusion import (
  MemoryFusion,
  TwoLayers,
  over_words,
)
from unimse_jax.rivals.row_statistics import mean_of_rows
from unimse_jax.rivals.streams import TEXT, Fused, Stream
from unimse_jax.rivals.utterance_vectors import UtteranceVectors


def mean_discrepancy(x: jax.Array, y: jax.Array, rows: jax.Array) -> jax.Array:
  """MMD: how far apart two samples of the same rows are.

  Its kernel is exp(-d / N), with d the mean of the N squared differences, as in
  the authors' code.

  Args:
    x, y: float32[B, N].
    rows: bool[B].

  Returns:
    float32[], at least 0; 0 without rows.
  """

  def kernel(a, b):
    distance = jnp.square(a[:, None] - b).mean(axis=-1)
    similar = jnp.exp(-distance / a.shape[1])
    return mean_of_rows(mean_of_rows(similar, rows), rows)

  return kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)


class Generator(nn.Module):
  """An LSTM that reads its own output, and a linear map to the words."""

  size: int

  @nn.compact
  def __call__(self, factors: jax.Array, mask: jax.Array) -> jax.Array:
    """[B, N], the first input, and bool[B, S] -> [B, S, size]."""
    cell = nn.OptimizedLSTMCell(factors.shape[-1], name="lstm")
    empty = jnp.zeros_like(factors)

    def advance(cell, carry, _):
      return cell(*carry)

    start = ((empty, empty), factors)
    _, outputs = over_words(advance, cell, start, None, mask)
    return Dense(self.size, name="out")(outputs)


class MFM(nn.Module):
  """A factor that tells the label, and one for each modality that does not.

  The label is read of the first alone; a modality is made again of the first
  and its own. MFN reads the first of the modalities together, which `mag.align`
  brings to the words. The utterance's vectors stand in place of LSTMs for the
  others.

  Attributes:
    discrepancy: lambda, weight of the distances of the factors' codes from a
      normal distribution.
    reconstruction: weight of the mean of the squared errors of all modalities;
      the paper has one for each.
  """

  width: int
  dropout: float
  discrepancy: float = 100.0
  reconstruction: float = 0.5

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    del batch
    mask = streams[TEXT].mask
    words = {
      name: stream.frames if name == TEXT else align(mask, stream)
      for name, stream in streams.items()
    }
    read = MemoryFusion(self.width, self.dropout, name="fusion")(
      words, mask, deterministic
    )
    code = Dense(self.width, name="code")(read)
    factor = self._factor("factor", code, deterministic)
    vector = nn.relu(Dense(self.width, name="hidden")(factor))
    codes = UtteranceVectors(self.width, self.dropout, name="vectors")(
      streams, deterministic
    )
    errors = []
    for name, own in codes.items():
      own = self._factor(f"{name}_factor", own, deterministic)
      made = Generator(words[name].shape[-1], name=f"{name}_generator")(
        jnp.concatenate([factor, own], axis=-1), mask
      )
      error = made - jax.lax.stop_gradient(words[name])
      squares = masks.mean(jnp.square(error), mask).mean(axis=-1)
      there = streams[TEXT].present & streams[name].present
      errors.append(mean_of_rows(squares, there))
    if deterministic:
      return Fused(vector)
    rows = {name: stream.present for name, stream in streams.items()}
    discrepancy = self._from_normal(code, rows[TEXT]) + sum(
      self._from_normal(own, rows[name]) for name, own in codes.items()
    )
    return Fused(
      vector,
      {
        "discrepancy": self.discrepancy * discrepancy,
        "reconstruction": self.reconstruction * sum(errors) / len(errors),
      },
    )

  def _factor(
    self, name: str, code: jax.Array, deterministic: bool
  ) -> jax.Array:
    """F = G(Z) of the paper, float32[B, W]."""
    network = TwoLayers(self.width, self.width, self.dropout, name=name)
    return nn.relu(network(code, deterministic))

  def _from_normal(self, code: jax.Array, rows: jax.Array) -> jax.Array:
    drawn = jax.random.normal(self.make_rng("dropout"), code.shape)
    return mean_discrepancy(code, drawn, rows)
