"""T5's attention and its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from unimse_jax.models.attention import MultiHeadAttention, attention_weights


def test_attention_is_the_unscaled_softmax_of_dot_products():
  attention = MultiHeadAttention(
    width=6, heads=2, head_width=4, dropout=0.0, dtype=jnp.float32
  )
  rng = np.random.default_rng(0)
  x, other = rng.standard_normal((2, 1, 3, 6)).astype(np.float32)
  bias = rng.standard_normal((1, 2, 3, 3)).astype(np.float32)

  def attend(module, x, other, bias):
    return module(x, *module.project(other), bias, True)

  shapes = jax.eval_shape(
    lambda key: attention.init(key, x, other, bias, method=attend),
    jax.random.key(0),
  )["params"]
  params = jax.tree.map(
    lambda leaf: rng.standard_normal(leaf.shape).astype(np.float32), shapes
  )
  out = attention.apply({"params": params}, x, other, bias, method=attend)

  matrix = {name: params[name]["kernel"].astype(np.float64) for name in params}
  heads = []
  for head in range(2):
    part = slice(4 * head, 4 * head + 4)
    query = x[0] @ matrix["query"][:, part]
    key = other[0] @ matrix["key"][:, part]
    logits = query @ key.T + bias[0, head]
    weights = np.exp(logits - logits.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    heads.append(weights @ (other[0] @ matrix["value"][:, part]))
  expected = np.concatenate(heads, axis=1) @ matrix["out"]
  # float32 against float64 through four products of values of size ~10.
  np.testing.assert_allclose(out[0], expected, rtol=1e-4, atol=1e-4)


def plain(queries, keys, bias):
  """The weights, their gradient left to jax."""
  logits = jnp.einsum(
    "BQHK,BHSK->BHQS", queries, keys, preferred_element_type=jnp.float32
  )
  return nn.softmax(logits + bias).astype(keys.dtype)


def arrays(shape: tuple[int, ...], dtype) -> tuple[jax.Array, ...]:
  """Queries, keys and a bias that hides a key, and weights of a loss."""
  rng = np.random.default_rng(0)
  bias = rng.standard_normal(shape).astype(np.float32)
  bias[..., 0] = -1e9
  return (
    jnp.asarray(rng.standard_normal((2, 5, 3, 4)), dtype),
    jnp.asarray(rng.standard_normal((2, 3, 7, 4)), dtype),
    jnp.asarray(bias),
    jnp.asarray(rng.standard_normal((2, 3, 5, 7)), jnp.float32),
  )


def gradients(function, inputs, own):
  def total(*inputs):
    return (function(*inputs).astype(jnp.float32) * own).sum()

  return jax.jit(jax.grad(total, argnums=(0, 1, 2)))(*inputs)


@pytest.mark.parametrize(
  "shape", [(2, 3, 5, 7), (1, 3, 5, 7), (2, 1, 1, 7), (5, 7)]
)
def test_the_written_out_gradient_is_that_of_jax(shape):
  *inputs, own = arrays(shape, jnp.float32)
  np.testing.assert_array_equal(attention_weights(*inputs), plain(*inputs))
  found = gradients(attention_weights, inputs, own)
  expected = gradients(plain, inputs, own)
  for one, other in zip(found, expected, strict=True):
    assert one.shape == other.shape
    # Sums of up to 30 float32 terms in another order.
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("common", [0.0, 2.0, 5.0])
def test_in_bfloat16_the_gradient_is_off_by_one_rounding_more(common):
  """Ours and jax's beside that in float32 of the same rounded arrays.

  Real keys and values have a large part in common, which is of no effect.
  """
  queries, keys, bias, own = arrays((1, 3, 5, 7), jnp.bfloat16)
  inputs, own = (queries, keys + common, bias), own + common
  exact = gradients(plain, [array.astype(jnp.float32) for array in inputs], own)

  def errors(function):
    found = gradients(function, inputs, own)
    return np.array(
      [
        np.linalg.norm(np.float32(one) - other) / np.linalg.norm(other)
        for one, other in zip(found, exact, strict=True)
      ]
    )

  assert np.all(errors(attention_weights) < 2 * errors(plain))


def test_equal_keys_and_values_have_no_gradient_in_bfloat16():
  # Three weights of a third, rounded, do not sum to one.
  queries = jnp.zeros((1, 1, 1, 4), jnp.bfloat16)
  keys, own = jnp.ones((1, 1, 3, 4), jnp.bfloat16), jnp.ones((1, 1, 1, 3))
  inputs = (queries, keys, jnp.zeros((1, 1, 1, 3)))
  for each in gradients(attention_weights, inputs, own):
    assert np.abs(np.float32(each)).max() < 1e-7
