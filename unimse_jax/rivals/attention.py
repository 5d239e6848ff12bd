"""Scaled dot-product attention with several heads (Vaswani et al. 2017)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.errors import InputError
from unimse_jax.models.attention import attention_weights
from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout


def check_heads(heads: int, width: int) -> None:
  """InputError where the heads cannot share the width out evenly."""
  if width % heads:
    raise InputError(
      f"config.rival.options: expected a number of heads that divides the "
      f"width {width}, found heads={heads}; change it or config.rival.width"
    )


class Attention(nn.Module):
  """Each query reads the valid places of its own row."""

  heads: int
  dropout: float

  @nn.compact
  def __call__(
    self,
    queries: jax.Array,
    source: jax.Array,
    mask: jax.Array,
    deterministic: bool,
  ) -> jax.Array:
    """Attends.

    Args:
      queries: float32[B, Q, W].
      source: float32[B, F, N], from which keys and values are made.
      mask: bool[B, F], places that may be read.
      deterministic: False drops weights of the attention.

    Returns:
      float32[B, Q, W]; zeros where there is nothing to read.
    """
    width = queries.shape[-1]
    check_heads(self.heads, width)

    def split(name: str, x: jax.Array) -> jax.Array:
      projected = Dense(width, name=name)(x)
      return projected.reshape(*x.shape[:-1], self.heads, -1)

    query, key, value = (
      split("query", queries) * (width // self.heads) ** -0.5,
      split("key", source),
      split("value", source),
    )
    hidden = jnp.where(mask, 0.0, jnp.finfo(jnp.float32).min)
    weights = attention_weights(
      query, key.swapaxes(1, 2), hidden[:, None, None]
    )
    weights = Dropout(self.dropout)(weights, deterministic)
    mixed = jnp.einsum("BHQF,BFHK->BQHK", weights, value)
    out = Dense(width, name="out")(mixed.reshape(queries.shape))
    return jnp.where(mask.any(axis=1)[:, None, None], out, 0.0)
