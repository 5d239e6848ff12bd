"""Inter-modality contrastive learning (section 3.4, Eq. 3 and 4)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models import masks


class ContrastiveProjection(nn.Module):
  """Eq. 3: Conv1D over time, then the mean over the valid steps.

  With `include_padding` (D14, as the authors' code) the mean is over all
  steps, and what stands at padded ones takes part: a row's projection then
  depends on the length that its batch is padded to.
  """

  width: int
  kernel: int
  include_padding: bool = False

  @nn.compact
  def __call__(self, states: jax.Array, mask: jax.Array) -> jax.Array:
    """[B, S, N], bool[B, S] -> float32[B, C]; zeros where nothing is valid."""
    states = states.astype(jnp.float32)
    if self.include_padding:
      mask = jnp.ones_like(mask)
    states = jnp.where(mask[..., None], states, 0.0)
    projected = nn.Conv(
      self.width, (self.kernel,), padding="SAME", use_bias=False, name="conv"
    )(states)
    return masks.mean(projected, mask)


def info_nce(
  anchors: jax.Array,
  keys: jax.Array,
  valid: jax.Array,
  temperature: float,
  normalize: bool = True,
  count_positive_twice: bool = False,
) -> jax.Array:
  """Eq. 4: row i of `anchors` must find row i of `keys` in the batch.

  Args:
    anchors: float32[B, C], the fused text.
    keys: float32[B, C], one modality.
    valid: bool[B], rows that have the modality; others are neither anchor nor
      negative.
    temperature: divides the similarities; 1 is the paper's text.
    normalize: cosine similarity; False is the paper's raw dot product.
    count_positive_twice: the paper's literal denominator, whose sum over k
      holds the positive that also stands in front (least value log 2).

  Returns:
    float32, the sum of the losses of the valid rows.
  """
  if normalize:
    anchors, keys = _unit(anchors), _unit(keys)
  similarity = anchors @ keys.T / temperature
  similarity = jnp.where(valid[None, :], similarity, -jnp.inf)
  positive = jnp.diagonal(similarity)
  # Rows without the modality would be -inf - -inf; give them a finite row.
  positive = jnp.where(valid, positive, 0.0)
  similarity = jnp.where(valid[:, None], similarity, 0.0)
  denominator = jax.nn.logsumexp(similarity, axis=1)
  if count_positive_twice:
    denominator = jnp.logaddexp(denominator, positive)
  losses = jnp.where(valid, denominator - positive, 0.0)
  return losses.sum()


def _unit(x: jax.Array) -> jax.Array:
  """Rows of length one; a zero row stays zero, with a finite gradient."""
  return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), -1, keepdims=True) + 1e-12)
