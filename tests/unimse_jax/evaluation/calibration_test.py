"""Reliability bins and the expected calibration error, by hand."""

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


def test_no_prediction_has_no_error():
  bins = calibration.reliability([], [])
  assert np.isnan(calibration.expected_calibration_error(bins))
  assert [each.count for each in bins] == [0] * calibration.BINS


@pytest.mark.parametrize(
  ("confidence", "right", "message"),
  [([0.5], [1, 0], r"\(1,\)"), ([1.5], [1], r"\[0, 1\]")],
)
def test_bad_input_is_refused(confidence, right, message):
  with pytest.raises(ValueError, match=message):
    calibration.reliability(confidence, right)
