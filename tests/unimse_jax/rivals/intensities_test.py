"""Which rows have an annotated intensity."""

import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.intensities import annotated_intensity
from unimse_jax.rivals.streams import TEXT, Stream

STREAMS = {TEXT: Stream(jnp.zeros((3, 2, 1)), jnp.ones((3, 2), bool))}


def test_rows_with_a_weight_have_one():
  batch = {
    "intensity": jnp.array([1.0, 0.0, 0.0]),
    "intensity_weight": jnp.array([1.0, 1.0, 0.0]),
  }
  values, known = annotated_intensity(STREAMS, batch)
  np.testing.assert_array_equal(values, [1, 0, 0])
  np.testing.assert_array_equal(known, [True, True, False])


def test_without_the_arrays_no_row_has_one():
  _, known = annotated_intensity(STREAMS, {})
  np.testing.assert_array_equal(known, [False, False, False])
