"""PMF against Eq. 2 in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.models.fusion import (
  CrossAttentionFusion,
  Modality,
  PMFAdapter,
)


def sizes(modalities: int, dtype=np.float32):
  rng = np.random.default_rng(modalities)
  hidden = rng.standard_normal((2, 3, 8)).astype(dtype)
  vectors = [rng.standard_normal((2, 4)).astype(np.float32)] * modalities
  return hidden, vectors


def clips(vectors):
  """Modalities of which PMF reads the vectors alone."""
  names = ("audio", "video")[: len(vectors)]
  return {
    name: Modality(vector, np.zeros((2, 1, 4)), np.ones((2, 1), bool))
    for name, vector in zip(names, vectors, strict=True)
  }


@pytest.mark.parametrize("modalities", [0, 1, 2])
def test_equation_2(fill, modalities):
  hidden, vectors = sizes(modalities)
  adapter = PMFAdapter(5, jnp.float32)
  params = fill(adapter, hidden, hidden, clips(vectors))
  out = adapter.apply({"params": params}, hidden, hidden, clips(vectors))
  for row in range(2):
    for token in range(3):
      f = np.concatenate([hidden[row, token], *(v[row] for v in vectors)])
      down = f @ params["down"]["kernel"] + params["down"]["bias"]
      down = 1 / (1 + np.exp(-down))
      up = down @ params["up"]["kernel"] + params["up"]["bias"]
      expected = (up + f) @ params["out"]["kernel"] + params["out"]["bias"]
      # Three float32 products of at most 16 terms.
      np.testing.assert_allclose(out[row, token], expected, atol=1e-5)


@pytest.mark.parametrize("units", ["none", "stream"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("modalities", [0, 2])
def test_a_fresh_adapter_is_exactly_the_identity(modalities, dtype, units):
  hidden, vectors = sizes(modalities)
  hidden = jnp.asarray(hidden, dtype)
  adapter = PMFAdapter(5, dtype, units=units)
  params = adapter.init(jax.random.key(0), hidden, hidden, clips(vectors))
  out = adapter.apply(params, hidden, hidden, clips(vectors))
  assert out.dtype == dtype
  # Products with ones and zeros alone, or a sum with zeros: no rounding.
  np.testing.assert_array_equal(out, hidden)


def test_the_parameter_count_of_the_paper():
  """fidelity.md item 38: 115,648 + 688,896 a layer at T5-base's widths."""
  adapter = PMFAdapter(64, jnp.float32)
  hidden = jax.ShapeDtypeStruct((1, 1, 768), jnp.float32)
  vector = jax.ShapeDtypeStruct((1, 64), jnp.float32)
  params = jax.eval_shape(
    adapter.init, jax.random.key(0), hidden, hidden, clips([vector, vector])
  )["params"]
  counts = {
    name: sum(leaf.size for leaf in jax.tree.leaves(part))
    for name, part in params.items()
  }
  assert counts["down"] + counts["up"] == 115_648
  assert counts["out"] == 688_896


def cross_attention(units: str) -> CrossAttentionFusion:
  return CrossAttentionFusion(4, jnp.float32, heads=2, units=units)


@pytest.mark.parametrize("place", ["after", "parallel", "cross_attention"])
def test_units_of_the_stream_scale_with_it(fill, place):
  """A T5 whose residual stream is 100 times as large sees 100 times as much."""
  hidden, vectors = sizes(2)
  if place == "cross_attention":
    rng = np.random.default_rng(3)
    states = rng.standard_normal((2, 5, 4)).astype(np.float32)
    clip = Modality(vectors[0], states, np.ones((2, 5), bool))
    adapter, read = cross_attention("stream"), {"audio": clip}
  else:
    parallel = place == "parallel"
    adapter = PMFAdapter(5, jnp.float32, units="stream", parallel=parallel)
    read = clips(vectors)
  params = fill(adapter, hidden, hidden, read)

  def change(scale: float) -> np.ndarray:
    text = scale * hidden
    out = adapter.apply({"params": params}, text[:, ::-1], text, read)
    return (np.asarray(out) - text) / scale

  assert np.abs(change(1.0)).max() > 0.1
  # 1e-6 under the roots, and differences of numbers near 300 in float32.
  np.testing.assert_allclose(change(100.0), change(1.0), atol=1e-4)


def test_units_of_the_stream_do_not_see_how_large_a_vector_is(fill):
  hidden, vectors = sizes(2)
  adapter = PMFAdapter(5, jnp.float32, units="stream")
  params = fill(adapter, hidden, hidden, clips(vectors))
  out = adapter.apply({"params": params}, hidden, hidden, clips(vectors))
  scaled = adapter.apply(
    {"params": params},
    *(hidden, hidden, clips([vectors[0] * 30, vectors[1] / 3])),
  )
  # 1e-6 is added to mean squares of about 0.1 and more.
  np.testing.assert_allclose(scaled, out, atol=1e-4)
  absent = adapter.apply(
    {"params": params}, hidden, hidden, clips([0 * vectors[0]] * 2)
  )
  assert np.isfinite(absent).all()
  assert np.abs(absent - out).max() > 0.1
