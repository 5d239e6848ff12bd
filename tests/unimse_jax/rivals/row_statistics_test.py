"""Means over chosen rows, and lengths."""

import jax
import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.row_statistics import length, mean_of_rows


def test_the_mean_is_over_the_chosen_rows():
  values = jnp.array([[1.0, 2.0], [5.0, 6.0], [3.0, 4.0]])
  chosen = jnp.array([True, False, True])
  np.testing.assert_array_equal(mean_of_rows(values, chosen), [2, 3])
  np.testing.assert_array_equal(mean_of_rows(values, chosen & False), [0, 0])


def test_a_length_has_a_finite_gradient_everywhere():
  vectors = jnp.array([[3.0, 4.0], [0.0, 0.0]])
  np.testing.assert_allclose(length(vectors), [5, 0])
  gradient = jax.grad(lambda x: length(x).sum())(vectors)
  np.testing.assert_allclose(gradient, [[0.6, 0.8], [0, 0]], rtol=1e-6)
