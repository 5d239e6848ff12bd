"""ICCN's canonical correlations against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.rivals.iccn import canonical_correlation

ROWS = np.arange(40) % 5 != 2


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
  """Two of float64[40, 3] that share one direction; a fifth is not read."""
  rng = np.random.default_rng(0)
  x, y = rng.standard_normal((2, 40, 3))
  y[:, 1] += 2 * x[:, 0]
  x[~ROWS], y[~ROWS] = 1e3, -1e3
  return x, y


def roots(covariance: np.ndarray) -> np.ndarray:
  """The inverse of the symmetric square root."""
  values, vectors = np.linalg.eigh(covariance)
  return vectors @ np.diag(values**-0.5) @ vectors.T


def test_they_are_the_singular_values_of_the_whitened_covariance(sample):
  x, y = (each[ROWS] - each[ROWS].mean(axis=0) for each in sample)
  degrees, ridge = len(x) - 1, 1e-3 * np.eye(3)
  whitened = roots(x.T @ x / degrees + ridge) @ (x.T @ y / degrees)
  whitened = whitened @ roots(y.T @ y / degrees + ridge)
  expected = np.linalg.svd(whitened, compute_uv=False)
  assert expected[0] > 0.8 > 0.4 > expected[1]  # the direction that they share
  found = canonical_correlation(*(jnp.asarray(z) for z in sample), ROWS)
  np.testing.assert_allclose(found, expected.sum(), rtol=1e-4)


def test_equal_vectors_correlate_wholly_whatever_their_scale(sample):
  x = jnp.asarray(sample[0])
  turned = x @ jnp.array([[0.0, 2.0, 0.0], [3.0, 0.0, 1.0], [0.0, 0.0, 5.0]])
  found = canonical_correlation(x, turned, ROWS)
  np.testing.assert_allclose(found, 3.0, rtol=2e-3)


@pytest.mark.parametrize("count", [0, 1])
def test_of_no_sample_there_is_none_and_the_gradient_is_finite(sample, count):
  x, y = (jnp.asarray(each) for each in sample)
  rows = ROWS & (np.cumsum(ROWS) <= count)
  value, gradient = jax.value_and_grad(canonical_correlation)(x, y, rows)
  np.testing.assert_allclose(value, 0.0, atol=1e-6)
  assert np.isfinite(gradient).all()


def test_its_gradient_is_that_of_differences(sample):
  x, y = (jnp.asarray(each) for each in sample)

  def towards_y(step):
    return canonical_correlation(x + step * y, y, ROWS)

  difference = (towards_y(0.11) - towards_y(0.09)) / 0.02
  assert abs(difference) > 0.5
  np.testing.assert_allclose(jax.grad(towards_y)(0.1), difference, rtol=0.01)
