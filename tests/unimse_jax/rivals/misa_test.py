"""MISA's losses against NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.rivals.misa import moment_discrepancy, overlap

ROWS = np.array([True, True, False, True, True])


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
  """Two of float64[5, 3] in (0, 1); the third row is not to be read."""
  return tuple(np.random.default_rng(0).random((2, 5, 3)))


def test_the_discrepancy_sums_the_distances_of_five_moments(sample):
  x, y = (each[ROWS] for each in sample)
  expected = np.linalg.norm(x.mean(0) - y.mean(0))
  for order in (2, 3, 4, 5):
    moments = [((z - z.mean(0)) ** order).mean(0) for z in (x, y)]
    expected += np.linalg.norm(moments[0] - moments[1])
  found = moment_discrepancy(*(jnp.asarray(z) for z in sample), ROWS)
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_equal_samples_and_no_sample_have_no_discrepancy(sample):
  x, y = (jnp.asarray(each) for each in sample)
  assert moment_discrepancy(x, x, ROWS) == 0
  assert moment_discrepancy(x, y, ROWS & False) == 0


def test_the_overlap_is_of_centred_rows_of_length_one(sample):
  x, y = (each[ROWS] - each[ROWS].mean(0) for each in sample)
  x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
  found = overlap(*(jnp.asarray(z) for z in sample), ROWS)
  np.testing.assert_allclose(found, ((x.T @ y) ** 2).mean(), rtol=1e-4)
