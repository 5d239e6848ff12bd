"""Pre-trained modality fusion, PMF (section 3.3, Eq. 2)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.layers import ACTIVATIONS


def _identity_then_zeros(key, shape, dtype=jnp.float32) -> jax.Array:
  """Passes the first block (the text) through and ignores the rest."""
  del key
  return jnp.eye(*shape, dtype=dtype)


class PMFAdapter(nn.Module):
  """Mixes the voice and the face into every token of one encoder layer.

  Eq. 2 with F = [F^(j-1); X^a; X^v]:

    F^d = sigmoid(W^d F + b^d)     F^u = W^u F^d + b^u
    F^(j) = W (F^u + F) + b

  The sum is with the whole concatenation: the only reading where the paper's
  "maps the concatenation's size back" and its Eq. 2 both hold. W starts as the
  identity on the text and W^u as zeros, so that a freshly added adapter leaves
  T5 as it is.
  """

  adapter_width: int
  activation: str
  dtype: jnp.dtype

  @nn.compact
  def __call__(
    self, hidden: jax.Array, modalities: Sequence[jax.Array]
  ) -> jax.Array:
    """Fuses.

    Args:
      hidden: [B, S, D], the output of the layer's feed-forward.
      modalities: each float32[B, N], the same for every token; may be empty.

    Returns:
      [B, S, D].
    """
    width = hidden.shape[-1]
    spread = [
      jnp.broadcast_to(
        modality[:, None, :].astype(self.dtype),
        (*hidden.shape[:2], modality.shape[-1]),
      )
      for modality in modalities
    ]
    fused = jnp.concatenate([hidden, *spread], axis=-1)
    down = nn.Dense(
      self.adapter_width,
      dtype=self.dtype,
      kernel_init=nn.initializers.normal(1e-3),
      name="down",
    )(fused)
    up = nn.Dense(
      fused.shape[-1],
      dtype=self.dtype,
      kernel_init=nn.initializers.zeros,
      name="up",
    )(ACTIVATIONS[self.activation](down))
    return nn.Dense(
      width, dtype=self.dtype, kernel_init=_identity_then_zeros, name="out"
    )(fused + up)
