"""A number out of a distribution over all intensities that may be written."""

from collections.abc import Mapping

import numpy as np


def estimates(
  values: np.ndarray, probabilities: np.ndarray
) -> Mapping[str, float]:
  """What a distribution over numbers comes to.

  Args:
    values: float64[N], rising.
    probabilities: float64[N], of sum one.

  Returns:
    mean: which has the least expected squared error.
    median: the first value up to which at least half of the probability lies,
      which has the least expected absolute error.
  """
  # Half is half, whatever the rounding of the sum.
  at_least_half = np.cumsum(probabilities) >= 0.5 - 1e-9
  return {
    "mean": float(probabilities @ values),
    "median": float(values[at_least_half.argmax()]),
  }
