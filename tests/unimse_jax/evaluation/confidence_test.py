"""Bootstrap intervals: exact where they can be, right in their coverage."""

import numpy as np
import pytest
from scipy import stats

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


def _predictions(seed, n=40, slack=1.0):
  rng = np.random.default_rng(seed)
  target = np.clip(rng.normal(0, 1.5, n), -3, 3)
  return target + slack * rng.standard_normal(n), target


def _scipy(statistic, arrays, seed, level):
  found = stats.bootstrap(
    arrays,
    statistic,
    paired=True,
    vectorized=False,
    n_resamples=confidence.RESAMPLES,
    confidence_level=level,
    method="percentile",
    rng=np.random.default_rng(seed),
  )
  return tuple(found.confidence_interval)


# The same draws in the same order, so the same percentiles but for the last
# bits of sums.
_SAME = 1e-12


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("name", ["mae", "corr", "acc7", "f1_non0"])
def test_intervals_are_those_of_scipys_percentile_bootstrap(name, level, seed):
  predicted, target = _predictions(seed)
  found = confidence.bootstrap(
    lambda rows: metrics.sentiment_scores(predicted[rows], target[rows]),
    len(target),
    seed,
    level=level,
  )[name]

  def statistic(p, y):
    return metrics.sentiment_scores(p, y)[name]

  expected = _scipy(statistic, (predicted, target), seed, level)
  assert (found.low, found.high) == pytest.approx(expected, rel=0, abs=_SAME)


def test_paired_intervals_are_those_of_scipys_paired_bootstrap():
  first, target = _predictions(1)
  second = _predictions(1, slack=1.2)[0]

  def score(predicted):
    return lambda rows: metrics.sentiment_scores(predicted[rows], target[rows])

  found = confidence.paired_bootstrap(score(first), score(second), len(target))

  def statistic(p, q, y):
    return np.abs(p - y).mean() - np.abs(q - y).mean()

  expected = _scipy(statistic, (first, second, target), 0, confidence.LEVEL)
  interval = found["mae"]
  assert (interval.low, interval.high) == pytest.approx(
    expected, rel=0, abs=_SAME
  )


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
