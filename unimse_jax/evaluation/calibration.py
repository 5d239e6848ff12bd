"""Whether probabilities mean what they say (Guo et al. 2017)."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

BINS = 10


@dataclasses.dataclass(frozen=True)
class Bin:
  """Predictions of about the same confidence.

  Attributes:
    low, high: bounds of the confidences, (low, high], in [0, 1].
    confidence: mean confidence; NaN in an empty bin.
    accuracy: share of right predictions, in [0, 1]; NaN in an empty bin.
    count: number of predictions.
  """

  low: float
  high: float
  confidence: float
  accuracy: float
  count: int


def reliability(
  confidence: ArrayLike, right: ArrayLike, bins: int = BINS
) -> list[Bin]:
  """Bins of equal width for a reliability diagram.

  Args:
    confidence: float[N] in [0, 1], the probability of the predicted class.
    right: bool[N]; whether the predicted class was the annotated one.
    bins: number of bins.

  Raises:
    ValueError: lengths that differ, or a confidence outside [0, 1].
  """
  confidence = np.asarray(confidence, np.float64)
  right = np.asarray(right, bool)
  if confidence.shape != right.shape or confidence.ndim != 1:
    raise ValueError(
      f"expected confidence[N] and right[N], found {confidence.shape} and "
      f"{right.shape}"
    )
  if not ((confidence >= 0) & (confidence <= 1)).all():
    raise ValueError("expected confidences in [0, 1]")
  edges = np.linspace(0, 1, bins + 1)
  place = np.clip(np.searchsorted(edges, confidence, "left") - 1, 0, bins - 1)
  return [
    _bin(edges[i], edges[i + 1], confidence[place == i], right[place == i])
    for i in range(bins)
  ]


def _bin(
  low: float, high: float, confidence: np.ndarray, right: np.ndarray
) -> Bin:
  if not len(right):
    return Bin(float(low), float(high), np.nan, np.nan, 0)
  return Bin(
    float(low),
    float(high),
    float(confidence.mean()),
    float(right.mean()),
    len(right),
  )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
  """Mean over predictions of |accuracy - confidence| of their bin.

  0 is perfectly calibrated; NaN if there are no predictions.
  """
  filled = [each for each in bins if each.count]
  total = sum(each.count for each in filled)
  if not total:
    return float("nan")
  return (
    sum(each.count * abs(each.accuracy - each.confidence) for each in filled)
    / total
  )
