"""MFM's distance of two samples, and what its generator reads."""

import jax
import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.mfm import Generator, mean_discrepancy

ROWS = np.array([True, False, True, True])


def test_the_discrepancy_is_of_the_means_of_the_kernel():
  x, y = np.random.default_rng(0).standard_normal((2, 4, 3))

  def kernel(a, b):
    pairs = [((p - q) ** 2).mean() for p in a[ROWS] for q in b[ROWS]]
    return np.exp(-np.array(pairs) / 3).mean()

  expected = kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)
  found = mean_discrepancy(jnp.asarray(x), jnp.asarray(y), ROWS)
  np.testing.assert_allclose(found, expected, rtol=1e-4)
  np.testing.assert_allclose(mean_discrepancy(x, x, ROWS), 0.0, atol=1e-6)
  assert mean_discrepancy(x, y, ROWS & False) == 0


def test_a_generator_reads_what_it_said_at_the_word_before():
  rng = np.random.default_rng(1)
  factors = jnp.asarray(rng.standard_normal((1, 4)), jnp.float32)
  generator = Generator(3)
  every = jnp.ones((1, 2), bool)
  variables = generator.init(jax.random.key(0), factors, every)
  first, second = generator.apply(variables, factors, every)[0]
  # Words need not begin at the first place, nor be side by side.
  apart = jnp.array([[False, True, False, True]])
  found = generator.apply(variables, factors, apart)[0]
  np.testing.assert_allclose(found[1], first, rtol=1e-5)
  np.testing.assert_allclose(found[3], second, rtol=1e-5)
  assert np.abs(first - second).max() > 1e-3
