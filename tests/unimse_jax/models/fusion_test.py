"""PMF against Eq. 2 in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.models.fusion import PMFAdapter


def sizes(modalities: int, dtype=np.float32):
  rng = np.random.default_rng(modalities)
  hidden = rng.standard_normal((2, 3, 8)).astype(dtype)
  vectors = [rng.standard_normal((2, 4)).astype(np.float32)] * modalities
  return hidden, vectors


@pytest.mark.parametrize("modalities", [0, 1, 2])
def test_equation_2(fill, modalities):
  hidden, vectors = sizes(modalities)
  adapter = PMFAdapter(5, "sigmoid", jnp.float32)
  params = fill(adapter, hidden, vectors)
  out = adapter.apply({"params": params}, hidden, vectors)
  for row in range(2):
    for token in range(3):
      f = np.concatenate([hidden[row, token], *(v[row] for v in vectors)])
      down = f @ params["down"]["kernel"] + params["down"]["bias"]
      down = 1 / (1 + np.exp(-down))
      up = down @ params["up"]["kernel"] + params["up"]["bias"]
      expected = (up + f) @ params["out"]["kernel"] + params["out"]["bias"]
      # Three float32 products of at most 16 terms.
      np.testing.assert_allclose(out[row, token], expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("modalities", [0, 2])
def test_a_fresh_adapter_is_exactly_the_identity(modalities, dtype):
  hidden, vectors = sizes(modalities)
  hidden = jnp.asarray(hidden, dtype)
  adapter = PMFAdapter(5, "sigmoid", dtype)
  params = adapter.init(jax.random.key(0), hidden, vectors)
  out = adapter.apply(params, hidden, vectors)
  assert out.dtype == dtype
  # Products with ones and zeros alone: no rounding in any type.
  np.testing.assert_array_equal(out, hidden)


def test_the_parameter_count_of_the_paper():
  """fidelity.md item 38: 115,648 + 688,896 a layer at T5-base's widths."""
  adapter = PMFAdapter(64, "sigmoid", jnp.float32)
  hidden = jax.ShapeDtypeStruct((1, 1, 768), jnp.float32)
  vector = jax.ShapeDtypeStruct((1, 64), jnp.float32)
  params = jax.eval_shape(
    adapter.init, jax.random.key(0), hidden, [vector, vector]
  )["params"]
  counts = {
    name: sum(leaf.size for leaf in jax.tree.leaves(part))
    for name, part in params.items()
  }
  assert counts["down"] + counts["up"] == 115_648
  assert counts["out"] == 688_896
