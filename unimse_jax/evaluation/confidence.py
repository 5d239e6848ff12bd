"""How sure a score is: bootstrap over utterances (Efron 1979).

A resample draws N utterances with replacement and scores them as a whole
split. Two runs are compared on the same draws, so that what is hard for both
cancels out (the paired bootstrap of Koehn 2004).
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95

# int64[N] rows -> scores by name; what is no number is left out.
Score = Callable[[np.ndarray], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Interval:
  """A value with its confidence interval; NaN where nothing is defined.

  Attributes:
    value: on the sample itself.
    low, high: percentiles of the resamples.
  """

  value: float
  low: float
  high: float

  @property
  def excludes_zero(self) -> bool:
    """Whether a difference is told from none at the interval's level."""
    return self.low > 0 or self.high < 0


def bootstrap(
  score: Score,
  n: int,
  seed: int = 0,
  resamples: int = RESAMPLES,
  level: float = LEVEL,
) -> dict[str, Interval]:
  """Percentile intervals of every number that `score` gives.

  Args:
    score: scores the rows with these indices.
    n: number of rows, > 0.
    seed: of the draws; the same seed gives the same intervals.
    resamples: number of draws.
    level: share of the resamples inside of the interval, in (0, 1).

  Returns:
    name -> interval. Resamples in which a score is not defined (a correlation
    of constants) are left out of its percentiles.
  """
  whole = _numbers(score(np.arange(n)))
  draws = [_numbers(score(rows)) for rows in _draws(n, seed, resamples)]
  return {
    name: _interval(value, [draw.get(name, np.nan) for draw in draws], level)
    for name, value in whole.items()
  }


def paired_bootstrap(
  first: Score,
  second: Score,
  n: int,
  seed: int = 0,
  resamples: int = RESAMPLES,
  level: float = LEVEL,
) -> dict[str, Interval]:
  """Intervals of first - second; row i must be the same utterance in both."""

  def difference(rows: np.ndarray) -> dict[str, float]:
    one, other = _numbers(first(rows)), _numbers(second(rows))
    return {name: one[name] - other[name] for name in one if name in other}

  return bootstrap(difference, n, seed, resamples, level)


def _draws(n: int, seed: int, resamples: int):
  rng = np.random.default_rng(seed)
  for _ in range(resamples):
    yield rng.integers(0, n, n)


def _numbers(scores: Mapping[str, Any]) -> dict[str, float]:
  return {
    name: float(value)
    for name, value in scores.items()
    if isinstance(value, float)
  }


def _interval(value: float, draws: list[float], level: float) -> Interval:
  defined = np.array(draws)[np.isfinite(draws)]
  if not defined.size or not np.isfinite(value):
    return Interval(value, np.nan, np.nan)
  tail = 50 * (1 - level)
  low, high = np.percentile(defined, [tail, 100 - tail])
  return Interval(value, float(low), float(high))
