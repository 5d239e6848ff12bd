"""LMF: Low-rank Multimodal Fusion (Liu et al., ACL 2018)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.rivals.streams import Fused, Stream
from unimse_jax.rivals.tfn import append_one
from unimse_jax.rivals.utterance_vectors import UtteranceVectors


def low_rank_product(
  vectors: Sequence[jax.Array], factors: Sequence[jax.Array]
) -> jax.Array:
  """Section 3.2: a linear map of TFN's tensor, without the tensor.

  The map's weights are a sum of `rank` outer products of factors of the
  modalities; so their product with the tensor is
  h = sum over r of (w_t^r z_t) o (w_a^r z_a) o (w_v^r z_v), with a constant one
  at the end of each z.

  Args:
    vectors: float32[B, N] of each modality, N its own.
    factors: float32[rank, N + 1, W] of each modality.

  Returns:
    float32[B, W].
  """
  product = 1.0
  for vector, factor in zip(vectors, factors, strict=True):
    product *= jnp.einsum("BN,RNW->BRW", append_one(vector), factor)
  return product.sum(axis=1)


class LMF(nn.Module):
  """The sum over r is plain, as in the paper; its code learns weights for it.

  The utterance's vectors stand in place of an LSTM over GloVe words and of
  ReLU networks over mean features. Of an absent modality the constant is left.

  Attributes:
    rank: number of outer products.
  """

  width: int
  dropout: float
  rank: int = 4

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
    start = nn.initializers.xavier_normal(in_axis=1, out_axis=2, batch_axis=0)
    shape = (self.rank, self.width + 1, self.width)
    factors = [self.param(f"{name}_factors", start, shape) for name in vectors]
    return Fused(low_rank_product([*vectors.values()], factors))
