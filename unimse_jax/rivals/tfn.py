"""TFN: Tensor Fusion Network (Zadeh et al., EMNLP 2017)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.streams import TEXT, Fused, Stream
from unimse_jax.rivals.utterance_vectors import UtteranceVectors


def append_one(vector: jax.Array) -> jax.Array:
  """[B, N] -> [B, N + 1]: with the constant a product keeps each factor too."""
  return jnp.concatenate([vector, jnp.ones_like(vector[:, :1])], axis=-1)


def outer_product(vectors: Sequence[jax.Array]) -> jax.Array:
  """Section 4.2: z^m = [z^t; 1] x [z^a; 1] x [z^v; 1].

  Its entries are the modalities' own, their pairwise and their threefold
  products.

  Args:
    vectors: float32[B, N] of each modality, N its own.

  Returns:
    float32[B, product of all N + 1], the last modality's index running fastest.
  """
  product = append_one(vectors[0])
  for vector in vectors[1:]:
    product = product[:, :, None] * append_one(vector)[:, None]
    product = product.reshape(len(vector), -1)
  return product


class TFN(nn.Module):
  """Modality embeddings (4.1), tensor fusion (4.2), inference network (4.3).

  The utterance's vectors stand in place of the LSTM over GloVe words and of the
  means of FACET and COVAREP features; one ReLU layer, not three, makes the
  embeddings of them. An absent modality leaves the entries without it.

  Attributes:
    text_embedding: size of z^t.
    embedding: size of z^a and of z^v.
  """

  width: int
  dropout: float
  text_embedding: int = 128
  embedding: int = 32

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
    embeddings = []
    for name, vector in vectors.items():
      size = self.text_embedding if name == TEXT else self.embedding
      vector = nn.relu(Dense(size, name=f"{name}_embedding")(vector))
      present = streams[name].present[:, None]
      embeddings.append(jnp.where(present, vector, 0.0))
    hidden = Dropout(self.dropout)(outer_product(embeddings), deterministic)
    for name in ("hidden_0", "hidden_1"):
      hidden = nn.relu(Dense(self.width, name=name)(hidden))
    return Fused(hidden)
