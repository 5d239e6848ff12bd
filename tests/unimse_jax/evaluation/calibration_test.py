"""Reliability bins and the expected calibration error, by hand and brute."""

import numpy as np
import pytest

from unimse_jax.evaluation import calibration


def test_bins_hold_their_upper_edge():
  bins = calibration.reliability([0.0, 0.5, 0.51, 1.0], [1, 0, 1, 1], bins=2)
  assert [each.count for each in bins] == [2, 2]
  assert bins[0].confidence == 0.25
  assert bins[0].accuracy == 0.5
  assert bins[1].confidence == pytest.approx(0.755)
  assert bins[1].accuracy == 1.0


def test_the_error_is_weighted_by_count():
  # 3 of 4 right at 0.9, 1 of 2 right at 0.5.
  bins = calibration.reliability(
    [0.9] * 4 + [0.5] * 2, [1, 1, 1, 0, 1, 0], bins=10
  )
  expected = (4 * 0.15 + 2 * 0.0) / 6
  assert calibration.expected_calibration_error(bins) == pytest.approx(expected)


def test_probabilities_that_are_true_have_a_small_error():
  rng = np.random.default_rng(0)
  confidence = rng.uniform(size=20_000)
  right = rng.uniform(size=20_000) < confidence
  bins = calibration.reliability(confidence, right)
  # A bin of 2,000 knows its accuracy to about 0.01.
  assert calibration.expected_calibration_error(bins) < 0.02


def brute_force(confidence, right, bins):
  """Guo et al. (2017), equation 3, one prediction after the other."""
  members = [[] for _ in range(bins)]
  for sure, hit in zip(confidence, right, strict=True):
    place = next(i for i in range(bins) if sure <= (i + 1) / bins)
    members[place].append((sure, hit))
  error = 0.0
  for each in filter(None, members):
    accuracy = sum(hit for _, hit in each) / len(each)
    mean = sum(sure for sure, _ in each) / len(each)
    error += len(each) / len(confidence) * abs(accuracy - mean)
  return error, [len(each) for each in members]


def test_the_error_is_that_of_brute_force_on_1000_cases():
  rng = np.random.default_rng(1)
  for _ in range(1000):
    n, bins = int(rng.integers(1, 200)), int(rng.choice([1, 2, 5, 10, 15]))
    confidence = rng.uniform(size=n) ** rng.choice([0.2, 1.0])
    kind = rng.integers(4)
    if kind == 0:
      # Nearly all edges of bins, 0 and 1 among them.
      confidence = rng.integers(0, bins + 1, n) / bins
    elif kind == 1:
      confidence[:] = rng.choice([0.0, 1.0])
    right = rng.uniform(size=n) < rng.choice([0.0, 0.5, 1.0])
    found = calibration.reliability(confidence, right, bins)
    error, counts = brute_force(confidence.tolist(), right.tolist(), bins)
    assert [each.count for each in found] == counts
    # Sums of at most 200 float64 in another order.
    assert calibration.expected_calibration_error(found) == pytest.approx(
      error, rel=0, abs=1e-12
    )


def test_no_prediction_has_no_error():
  bins = calibration.reliability([], [])
  assert np.isnan(calibration.expected_calibration_error(bins))
  assert [each.count for each in bins] == [0] * calibration.BINS


@pytest.mark.parametrize(
  ("confidence", "right", "message"),
  [
    ([0.5], [1, 0], r"\(1,\)"),
    ([1.5], [1], r"\[0, 1\]"),
    ([np.nan], [1], r"\[0, 1\]"),
  ],
)
def test_bad_input_is_refused(confidence, right, message):
  with pytest.raises(ValueError, match=message):
    calibration.reliability(confidence, right)
