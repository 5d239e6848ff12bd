"""Bootstrap intervals: exact where they can be, right in their coverage."""

import numpy as np
import pytest

from unimse_jax.evaluation import confidence, metrics


def _mean_of(values):
  return lambda rows: {"mean": float(np.mean(values[rows])), "n": len(rows)}


def test_the_value_is_of_the_sample_and_counts_are_left_out():
  found = confidence.bootstrap(_mean_of(np.array([1.0, 2.0, 6.0])), 3)
  assert set(found) == {"mean"}
  assert found["mean"].value == 3.0
  assert 1.0 <= found["mean"].low <= 3.0 <= found["mean"].high <= 6.0


def test_a_constant_has_no_width():
  interval = confidence.bootstrap(_mean_of(np.full(9, 0.25)), 9)["mean"]
  assert (interval.low, interval.high) == (0.25, 0.25)


def test_the_same_seed_gives_the_same_interval():
  values = np.random.default_rng(3).standard_normal(50)
  first, second, other = (
    confidence.bootstrap(_mean_of(values), 50, seed=seed) for seed in (1, 1, 2)
  )
  assert first == second != other


def test_the_width_is_that_of_the_normal_approximation():
  values = np.random.default_rng(0).standard_normal(400)
  interval = confidence.bootstrap(_mean_of(values), 400)["mean"]
  expected = 2 * 1.96 * values.std() / np.sqrt(400)
  # 1000 resamples know a 95 % width to about 5 %.
  assert interval.high - interval.low == pytest.approx(expected, rel=0.15)


def test_an_undefined_score_has_no_interval():
  target = np.array([1.0, 2.0, 3.0])
  found = confidence.bootstrap(
    lambda rows: metrics.sentiment_scores(np.zeros(len(rows)), target[rows]), 3
  )
  assert np.isnan([found["corr"].value, found["corr"].low]).all()
  assert np.isfinite(found["mae"].high)
  assert not found["corr"].excludes_zero


def test_a_pair_of_equal_runs_differs_by_exactly_nothing():
  values = np.random.default_rng(1).standard_normal(30)
  score = _mean_of(values)
  difference = confidence.paired_bootstrap(score, score, 30)["mean"]
  assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_pairing_sees_a_small_difference_that_two_intervals_hide():
  values = np.random.default_rng(2).standard_normal(200)
  better = values + 0.05
  alone = confidence.bootstrap(_mean_of(values), 200)["mean"]
  paired = confidence.paired_bootstrap(_mean_of(better), _mean_of(values), 200)[
    "mean"
  ]
  assert alone.high - alone.low > 0.2
  assert paired.excludes_zero
  assert paired.value == pytest.approx(0.05)
