"""How sure a score is: resampling of whole dialogues (Efron 1979).

Utterances of one dialogue, or of one video, are alike in speaker, topic and
recording; resamples of single utterances would take them for independent, and
the intervals would be too narrow. So a resample draws dialogues with
replacement and scores all their utterances as a split. (scipy.stats.bootstrap
draws single rows.)

Shares (accuracies, F1) get Wilson's interval with the effective sample size
that the resamples' variance tells of. The resamples' own percentiles fail near
0 and 1: where all 43 of 43 are right, so they are in every resample, and the
interval would have no width. Wilson's reaches down to 91.8 %. MAE, Corr and
differences of two runs get percentiles.

Two runs are compared on the same draws, so that what is hard for both cancels
out (the paired bootstrap of Koehn 2004).
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from unimse_jax.tables.scores import BY_NAME

RESAMPLES = 1000
LEVEL = 0.95
_Z = 1.959964  # of the normal distribution, at LEVEL
# Fewer dialogues say too little of how dialogues differ. Single utterances are
# drawn then, and what is said of the intervals names how few there are: they
# tell of other utterances of the same speakers, not of other speakers.
FEWEST_GROUPS = 5
# Sums in another order differ by their last bits.
_NO_SPREAD = 1e-12

# int64[N] rows -> scores by name; what is no number is left out.
Scorer = Callable[[np.ndarray], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Interval:
  """A value with its confidence interval at LEVEL.

  Attributes:
    value: score of the sample itself; NaN where it is not defined.
    low, high: ends of the interval; NaN where the resamples give none.
  """

  value: float
  low: float
  high: float

  @property
  def excludes_zero(self) -> bool:
    """Whether a difference is told from none."""
    return self.low > 0 or self.high < 0


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
  """What a resample draws: utterances that belong together.

  Attributes:
    unit: "dialogue", "speaker" (MOSI and MOSEI have their video here) or
      "utterance".
    numbers: int64[N], the group of each row.
    too_few: unit and number of the groups that were not drawn, there being
      fewer than FEWEST_GROUPS of them: ("speaker", 2).
  """

  unit: str
  numbers: np.ndarray
  too_few: tuple[str, int] | None = None

  @classmethod
  def of(cls, dialogues: Sequence[str], speakers: Sequence[str]) -> Self:
    """Dialogues; speakers where there are none; else single utterances.

    Args:
      dialogues: name of the dialogue of each row, "" for none.
      speakers: name of the speaker of each row, "" for none.
    """
    for unit, names in (("dialogue", dialogues), ("speaker", speakers)):
      if any(names):
        # A row without a name is a group of its own.
        keys = [name or f"\0{row}" for row, name in enumerate(names)]
        found, numbers = np.unique(keys, return_inverse=True)
        if len(found) >= FEWEST_GROUPS:
          return cls(unit, numbers)
        return cls("utterance", np.arange(len(keys)), (unit, len(found)))
    return cls.single(len(dialogues))

  @classmethod
  def single(cls, rows: int) -> Self:
    """Every utterance on its own: the plain bootstrap."""
    return cls("utterance", np.arange(rows))

  def describe(self) -> dict[str, Any]:
    """For the results file: {"unit": "dialogue", "groups": 31}.

    With `too_few`: {"unit": "utterance", "groups": 120, "too_few": {"unit":
    "speaker", "groups": 2}}.
    """
    described = {"unit": self.unit, "groups": int(self.numbers.max()) + 1}
    if self.too_few:
      unit, groups = self.too_few
      described["too_few"] = {"unit": unit, "groups": groups}
    return described

  def draw(self, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """Yields the rows of each resample: int64, whole groups."""
    order = np.argsort(self.numbers, kind="stable")
    sizes = np.bincount(self.numbers)
    starts = np.cumsum(sizes) - sizes
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
      drawn = generator.integers(0, len(sizes), len(sizes))
      lengths = sizes[drawn]
      # Within its group, the place of each row of the resample.
      places = np.arange(lengths.sum()) - np.repeat(
        np.cumsum(lengths) - lengths, lengths
      )
      yield order[np.repeat(starts[drawn], lengths) + places]


_WORDS = {
  "dialogue": ("dialogue", "dialogues"),
  "speaker": ("speaker or video", "speakers or videos"),
  "utterance": ("single utterance", "single utterances"),
}


def in_words(description: Mapping[str, Any] | None) -> str:
  """What intervals drew, from the results file: "31 dialogues".

  With `too_few`: "120 single utterances of only 2 speakers or videos".

  Args:
    description: result of `Groups.describe`; None in files of an older
      version, which drew single utterances.
  """
  if description is None:
    return _WORDS["utterance"][1]
  words = _count(description)
  too_few = description.get("too_few")
  return f"{words} of only {_count(too_few)}" if too_few else words


def _count(description: Mapping[str, Any]) -> str:
  one, many = _WORDS[description["unit"]]
  number = description["groups"]
  return f"{number} {one if number == 1 else many}"


def bootstrap(
  score: Scorer, groups: Groups, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Interval]:
  """Intervals of every number that `score` gives.

  Args:
    score: scores of the rows with given indices.
    groups: group of each row.
    seed: seed of the draws; the same one gives the same intervals.
    resamples: number of draws.

  Returns:
    name -> interval. Resamples in which a score is not defined (a correlation
    of constants) are left out of it.
  """
  scores = score(np.arange(len(groups.numbers)))
  draws = _collect(score, groups, seed, resamples)
  intervals = {}
  for name, value in _numbers(scores).items():
    known = BY_NAME.get(name)
    if known and known.is_share and np.isfinite(value):
      n = int(scores[known.counted])
      intervals[name] = _wilson(value, _effective_n(value, draws[name], n))
    else:
      intervals[name] = _percentiles(value, draws[name])
  return intervals


def paired_bootstrap(
  first: Scorer,
  second: Scorer,
  groups: Groups,
  seed: int = 0,
  resamples: int = RESAMPLES,
) -> dict[str, Interval]:
  """Intervals of first - second; row i must be the same utterance in both.

  Where no resample shows another difference of shares (both runs are right
  about every utterance), its interval is as wide as Wilson's of a share that
  never was seen.
  """

  def difference(rows: np.ndarray) -> dict[str, float]:
    one, other = _numbers(first(rows)), _numbers(second(rows))
    return {name: one[name] - other[name] for name in one if name in other}

  every = np.arange(len(groups.numbers))
  scores = first(every)
  draws = _collect(difference, groups, seed, resamples)
  intervals = {}
  for name, value in difference(every).items():
    intervals[name] = _percentiles(value, draws[name])
    known = BY_NAME.get(name)
    shared = known and known.is_share and np.isfinite(value)
    if shared and not _spreads(draws[name]):
      reach = _wilson(0.0, int(scores[known.counted])).high
      low, high = max(value - reach, -1.0), min(value + reach, 1.0)
      intervals[name] = Interval(value, low, high)
  return intervals


def _collect(
  score: Scorer, groups: Groups, seed: int, resamples: int
) -> dict[str, np.ndarray]:
  """name -> the defined values of the resamples."""
  values: dict[str, list[float]] = {}
  for rows in groups.draw(seed, resamples):
    for name, value in _numbers(score(rows)).items():
      values.setdefault(name, []).append(value)
  arrays = {name: np.array(each) for name, each in values.items()}
  return {name: each[np.isfinite(each)] for name, each in arrays.items()}


def _numbers(scores: Mapping[str, Any]) -> dict[str, float]:
  return {
    name: value for name, value in scores.items() if isinstance(value, float)
  }


def _spreads(draws: np.ndarray) -> bool:
  return bool(draws.size) and np.ptp(draws) > _NO_SPREAD


def _percentiles(value: float, draws: np.ndarray) -> Interval:
  # Draws that all agree do not tell how far off the value may be.
  if not _spreads(draws) or not np.isfinite(value):
    return Interval(value, np.nan, np.nan)
  tail = 50 * (1 - LEVEL)
  low, high = np.percentile(draws, [tail, 100 - tail])
  return Interval(value, float(low), float(high))


def _effective_n(value: float, draws: np.ndarray, n: int) -> float:
  """As many independent utterances would give a share this variance.

  At most n; n where nothing spreads (Korn and Graubard 1998).
  """
  if not _spreads(draws) or not 0 < value < 1:
    return n
  return min(n, value * (1 - value) / float(draws.var()))


def _wilson(share: float, n: float) -> Interval:
  """Wilson's interval (1927) of a share of n utterances."""
  weight = _Z**2 / n
  middle = (share + weight / 2) / (1 + weight)
  reach = (share * (1 - share) / n + weight / (4 * n)) ** 0.5
  reach *= _Z / (1 + weight)
  # At 0 and 1 the end is the share itself, but for its last bits.
  low = min(max(middle - reach, 0.0), share)
  return Interval(share, low, max(min(middle + reach, 1.0), share))
