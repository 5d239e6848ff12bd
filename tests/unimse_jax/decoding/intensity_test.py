"""Numbers out of a distribution."""

import numpy as np
import pytest

from unimse_jax.decoding import intensity


@pytest.mark.parametrize(
  ("probabilities", "mean", "median"),
  [
    ([1, 0, 0], -1, -1),
    ([0.25, 0.25, 0.5], 0.75, 0),
    ([0.2, 0.2, 0.6], 1.0, 2),
  ],
)
def test_mean_and_median(probabilities, mean, median):
  found = intensity.estimates(
    np.array([-1.0, 0.0, 2.0]), np.array(probabilities, float)
  )
  assert found == {"mean": pytest.approx(mean), "median": median}
