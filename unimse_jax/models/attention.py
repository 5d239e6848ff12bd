"""T5's attention (Raffel et al. 2020, section 2.1)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.layers import Dropout, projection


@jax.custom_vjp
def attention_weights(
  queries: jax.Array, keys: jax.Array, bias: jax.Array
) -> jax.Array:
  """The softmax of the products of queries and keys plus a bias.

  For the gradient only the weights are kept, in the type that they are used in:
  jax would keep their exponentials in float32, the largest arrays of an encoder
  layer, and multiply them in float32. In bfloat16 that is one rounding more.

  Args:
    queries: [B, Q, H, K].
    keys: [B, H, S, K], of the same type.
    bias: float32, broadcastable to [B, H, Q, S].

  Returns:
    [B, H, Q, S] in the type of the keys; products and softmax are float32.
  """
  logits = jnp.einsum(
    "BQHK,BHSK->BHQS", queries, keys, preferred_element_type=jnp.float32
  )
  return nn.softmax(logits + bias).astype(keys.dtype)


def _weights_forward(queries, keys, bias):
  weights = attention_weights(queries, keys, bias)
  return weights, (queries, keys, weights, bias.shape)


def _weights_backward(saved, gradient):
  queries, keys, weights, shape = saved
  shares = weights.astype(jnp.float32)
  products = shares * gradient.astype(jnp.float32)
  # A mean, for rounded weights do not sum to one: what all keys have in common
  # must not reach the gradient.
  mean = products.sum(-1, keepdims=True) / shares.sum(-1, keepdims=True)
  d_bias = products - shares * mean
  d_logits = d_bias.astype(keys.dtype)
  return (
    jnp.einsum("BHQS,BHSK->BQHK", d_logits, keys),
    jnp.einsum("BHQS,BQHK->BHSK", d_logits, queries),
    _sum_to(d_bias, shape),
  )


def _sum_to(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """The gradient of what was broadcast from `shape` to x's."""
  shape_of_all = (1,) * (x.ndim - len(shape)) + shape
  axes = [axis for axis in range(x.ndim) if shape_of_all[axis] < x.shape[axis]]
  return x.sum(axes, keepdims=True).reshape(shape)


attention_weights.defvjp(_weights_forward, _weights_backward)


class MultiHeadAttention(nn.Module):
  """T5 attention: unscaled dot products plus a bias.

  Keys and values are projected by a call of their own, so that the decoder
  can keep them (its cache) and a full pass runs the very same code.
  """

  width: int
  heads: int
  head_width: int
  dropout: float
  dtype: jnp.dtype

  def setup(self) -> None:
    inner = self.heads * self.head_width
    # T5 folds the usual 1/sqrt(d_kv) into the initial scale of the query.
    self.query = projection(
      inner, (self.width * self.head_width) ** -0.5, self.dtype
    )
    self.key = projection(inner, self.width**-0.5, self.dtype)
    self.value = projection(inner, self.width**-0.5, self.dtype)
    self.out = projection(self.width, inner**-0.5, self.dtype)
    self.drop = Dropout(self.dropout)

  def _split(self, x: jax.Array) -> jax.Array:
    return x.reshape(*x.shape[:-1], self.heads, self.head_width)

  def project(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Keys and values of `x`: [B, S, D] -> two of [B, H, S, K].

    Heads come before places, as the products need them: what the decoder
    keeps is then not copied at every token.
    """
    keys, values = self._split(self.key(x)), self._split(self.value(x))
    return keys.swapaxes(1, 2), values.swapaxes(1, 2)

  def __call__(
    self,
    x: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    bias: jax.Array,
    deterministic: bool,
  ) -> jax.Array:
    """Attends from [B, Q, D] to keys and values [B, H, S, K].

    `bias` is float32, broadcastable to [B, H, Q, S]; logits and softmax are
    float32 whatever the compute type.
    """
    weights = attention_weights(self._split(self.query(x)), keys, bias)
    weights = self.drop(weights, deterministic=deterministic)
    mixed = jnp.einsum("BHQS,BHSK->BQHK", weights, values)
    return self.out(mixed.reshape(*mixed.shape[:-2], -1))
