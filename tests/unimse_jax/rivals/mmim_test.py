"""MMIM's likelihood, entropy and history, against NumPy."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.mmim import (
  MMIM,
  Gaussian,
  log_determinant,
  scale_gradient,
)
from unimse_jax.rivals.streams import TEXT, Stream


def test_a_scaled_gradient_leaves_the_value():
  value, gradient = jax.value_and_grad(lambda x: scale_gradient(x, 0.25) ** 2)(
    jnp.array(3.0)
  )
  assert (value, gradient) == (9, 1.5)


def test_log_q_is_that_of_the_normal_distribution(fill):
  rng = np.random.default_rng(0)
  x, y = rng.standard_normal((2, 3, 2)).astype(np.float32)
  params = fill(Gaussian(), x, y, scale=1.0)

  def network(name):
    hidden, out = params[f"{name}_hidden"], params[name]
    middle = np.maximum(x @ hidden["kernel"] + hidden["bias"], 0)
    return middle @ out["kernel"] + out["bias"]

  # Between a tenth and ten.
  bound = np.log(10)
  variance = np.exp(bound * np.tanh(network("log_variance") / bound))
  mean = network("mean")
  density = np.exp(-((y - mean) ** 2) / 2 / variance)
  density /= np.sqrt(2 * np.pi * variance)
  constant = -np.log(2 * np.pi)  # of two entries, half each
  found = Gaussian().apply({"params": params}, x, y)
  expected = np.log(density).sum(axis=1) - constant
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_determinant_is_of_the_covariance_of_the_chosen_rows():
  rows = np.random.default_rng(0).standard_normal((9, 3))
  chosen = np.arange(9) % 3 < 2
  expected = np.log(np.linalg.det(np.cov(rows[chosen].T, bias=True)))
  found = log_determinant(jnp.asarray(rows), jnp.asarray(chosen))
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_entropy_is_of_the_history_and_the_batch_once_it_is_full(fill):
  rng = np.random.default_rng(0)
  options = {"history": 3, "entropy_width": 1, "bound": 0.5}
  system = MMIM(width=4, dropout=0.0, **options)
  streams = {
    name: Stream(
      jnp.asarray(rng.standard_normal((5, 2, 3)), jnp.float32),
      jnp.ones((5, 2), bool),
    )
    for name in (TEXT, "audio")
  }
  silent = streams["audio"].mask.at[4].set(False)
  streams["audio"] = streams["audio"].replace(mask=silent)
  batch = {  # the third is neutral, the fourth not annotated, the fifth silent
    "intensity": jnp.array([1.0, -2.0, 0.0, 3.0, 1.0]),
    "intensity_weight": jnp.array([1.0, 1.0, 1.0, 0.0, 1.0]),
  }
  shape = SimpleNamespace(modalities=("audio",), options=tuple(options.items()))
  params = fill(system, streams, batch, True, scale=1.0)
  variables = {"params": params, "memory": MMIM.memory(shape, examples=9)}
  written, entropies = [], []
  for step in range(3):
    moved = {
      name: stream.replace(frames=stream.frames + step)
      for name, stream in streams.items()
    }
    fused, seen = system.apply(
      variables,
      moved,
      batch,
      False,
      mutable=["memory", "intermediates"],
      capture_intermediates=True,
    )
    rows = np.tanh(seen["intermediates"]["audio_narrow"]["__call__"][0])
    written.append(rows[:2, 0])
    variables["memory"] = seen["memory"]
    entropies.append(float(fused.auxiliary["entropy"]))
  assert entropies[:2] == [0, 0]
  kept = seen["memory"]
  assert int(kept["audio_written"]) == 6
  # Slots 0, 1; 2, 0; 1, 2.
  expected = [written[1][1], written[2][0], written[2][1]]
  np.testing.assert_allclose(kept["audio_rows"][:, 0], expected)
  np.testing.assert_array_equal(kept["audio_signs"], [-1, 1, -1])
  # At the third step the history holds both rows of the second, one of the
  # first; the variances are then of two and of three rows.
  positive = [written[1][0], written[2][0]]
  negative = [written[0][1], written[1][1], written[2][1]]
  variances = np.var(positive) + 1e-6, np.var(negative) + 1e-6  # the ridge
  entropy = np.log(variances).sum() / 4
  np.testing.assert_allclose(entropies[2], -0.5 * entropy, rtol=1e-3)
