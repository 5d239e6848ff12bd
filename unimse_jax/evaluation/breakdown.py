"""Scores of parts of a split: speakers, ranges of intensity, the surest part.

All is computed from lines of predictions/{split}.jsonl, so any model's file
that `unimse_jax.score` has read gives the same.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.evaluation.uncertainty import scorer

# Shares of the utterances that a coverage curve is read at.
COVERAGES = tuple(np.arange(1, 11) / 10)
# Annotated intensities by their whole part, away from 0; "non0" scores leave 0
# out, so it has a range of its own.
_RANGES = {
  -3: "-3 to -2",
  -2: "above -2, to -1",
  -1: "above -1, below 0",
  0: "0",
  1: "above 0, below 1",
  2: "1 to below 2",
  3: "2 to 3",
}

_Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Part:
  """Some utterances of a corpus and their scores.

  Attributes:
    name: what they have in common.
    scores: scores by name, from `metrics`; "n" counts the utterances.
  """

  name: str
  scores: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Range:
  """Utterances of about the same annotated intensity.

  Attributes:
    name: bounds of the annotated intensity.
    n: number of utterances.
    mae: mean absolute error.
    bias: mean of predicted minus annotated.
  """

  name: str
  n: int
  mae: float
  bias: float


def annotated(rows: Sequence[_Row], field: str) -> list[_Row]:
  """The rows that are annotated for "intensity" or "emotion" and scored."""
  return [row for row in rows if row["targets"][field] is not None]


def by_speaker(
  rows: Sequence[_Row], field: str, classes: Sequence[str] = ()
) -> list[Part]:
  """Scores of each speaker, the one with the most utterances first.

  Args:
    rows: rows of one corpus, all annotated for `field`.
    field: "intensity" or "emotion".
    classes: classes of the emotion.

  Returns:
    Nothing where no row names a speaker. Rows without one are left out.
  """
  spoken: dict[str, list[_Row]] = {}
  for row in rows:
    if name := row.get("speaker"):
      spoken.setdefault(name, []).append(row)
  order = sorted(spoken, key=lambda name: (-len(spoken[name]), name))
  return [Part(name, _scores(spoken[name], field, classes)) for name in order]


def _scores(
  rows: Sequence[_Row], field: str, classes: Sequence[str]
) -> Mapping[str, Any]:
  rated = [(row["scored"][field], row["targets"][field]) for row in rows]
  return scorer(field, rated, classes)(np.arange(len(rated)))


def by_range(rows: Sequence[_Row]) -> list[Range]:
  """The errors over the annotated intensity, from -3 to 3.

  Args:
    rows: rows of one corpus, all annotated for intensity.

  Returns:
    The ranges that hold utterances.
  """
  truth = np.array([row["targets"]["intensity"] for row in rows])
  error = np.array([row["scored"]["intensity"] for row in rows]) - truth
  place = np.sign(truth) * np.minimum(np.floor(np.abs(truth)) + 1, 3)
  ranges = []
  for number, name in _RANGES.items():
    inside = error[place == number]
    if len(inside):
      mae, bias = float(np.abs(inside).mean()), float(inside.mean())
      ranges.append(Range(name, len(inside), mae, bias))
  return ranges


def coverage(
  rows: Sequence[_Row], slot: str, field: str
) -> tuple[np.ndarray, np.ndarray] | None:
  """Accuracy of the share of the utterances that a model is surest of.

  One minus it is the risk of El-Yaniv and Wiener (2010). Utterances of the
  same confidence count with their mean, so their order does not matter.

  Args:
    rows: rows of one corpus.
    slot: slot of the label that the probabilities are of.
    field: "polarity" or "emotion", the annotated field.

  Returns:
    (coverages float64[K], accuracies float64[K]) with K the number of distinct
    confidences, coverages rising to 1; None without probabilities.
  """
  pairs = [
    (row["probabilities"][slot][word], word == row["targets"][field])
    for row in rows
    if row["targets"].get(field)
    and (word := row["fields"].get(slot)) is not None
    and slot in (row.get("probabilities") or {})
  ]
  if not pairs:
    return None
  sure, right = np.array(pairs, np.float64).T
  _, group = np.unique(-sure, return_inverse=True)
  counts = np.bincount(group).cumsum()
  return counts / len(pairs), np.bincount(group, right).cumsum() / counts


def area(coverages: np.ndarray, accuracies: np.ndarray) -> float:
  """Mean accuracy over all coverages from 0 to 1.

  Between two confidences the accuracy is taken as that at the larger coverage.
  """
  widths = np.diff(coverages, prepend=0.0)
  return float(widths @ accuracies)


def at(coverages: np.ndarray, accuracies: np.ndarray, share: float) -> float:
  """Accuracy of the surest `share`, or of as few more as are as sure."""
  place = np.searchsorted(coverages, share - 1e-9)
  return float(accuracies[place])
