"""MulT's positions, its last elements and its layer, against NumPy."""

import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.mult import (
  TransformerLayer,
  last_valid,
  positional_embedding,
)


def test_positions_are_sines_and_cosines_in_turns():
  found = positional_embedding(jnp.array([[0, 3]]), 4)
  expected = [[0, 1, 0, 1], [np.sin(3), np.cos(3), np.sin(0.03), np.cos(0.03)]]
  np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_the_last_element_is_the_last_valid_one():
  states = jnp.arange(24.0).reshape(2, 4, 3)
  mask = jnp.array([[False, True, True, False], [False] * 4])
  np.testing.assert_array_equal(
    last_valid(states, mask), [[6, 7, 8], [0, 0, 0]]
  )


def test_a_layer_is_the_papers_with_residuals_from_the_normed(fill):
  rng = np.random.default_rng(0)
  target = rng.standard_normal((1, 2, 4)).astype(np.float32)
  source = rng.standard_normal((1, 3, 4)).astype(np.float32)
  mask = jnp.array([[True, False, True]])
  layer = TransformerLayer(heads=2, dropout=0.0)
  params = fill(layer, target, source, mask, True)
  found, _ = layer.apply({"params": params}, target, source, mask, True)

  def linear(x, weights):
    return x @ np.asarray(weights["kernel"]) + np.asarray(weights["bias"])

  def norm(x, weights):
    centred = x - x.mean(-1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return unit * np.asarray(weights["scale"]) + np.asarray(weights["bias"])

  z = norm(target[0], params["attention_norm"])
  s = norm(source[0, [0, 2]], params["attention_norm"])
  own = params["attention"]
  mixed = []
  for head in (slice(0, 2), slice(2, 4)):
    q, k, v = (
      linear(x, own[name])[:, head]
      for x, name in ((z, "query"), (s, "key"), (s, "value"))
    )
    weights = np.exp(q @ k.T / np.sqrt(2))
    mixed.append(weights / weights.sum(-1, keepdims=True) @ v)
  y = linear(np.concatenate(mixed, -1), own["out"]) + z
  y = norm(y, params["hidden_norm"])
  hidden = np.maximum(linear(y, params["hidden"]), 0)
  expected = linear(hidden, params["out"]) + y
  np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-5)
