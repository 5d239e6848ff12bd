"""How far the scores of a split can be trusted: intervals and calibration."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.data.mixture import Mixture
from unimse_jax.evaluation import calibration, confidence, metrics
from unimse_jax.evaluation.scoring import LabelledExample
from unimse_jax.labels.schemes import EMOTION


def add_uncertainty(
  corpora: Mapping[str, dict[str, Any]],
  predictions: Sequence[LabelledExample],
  scored: Sequence[Mapping[str, Any]],
  mixture: Mixture,
) -> dict[str, dict[str, Any]]:
  """The scores of `score_corpora` with what says how sure they are.

  Args:
    corpora: name -> scores.
    predictions: of the split, with probabilities.
    scored: their `scored_values`.
    mixture: what the corpora annotate.

  Returns:
    name -> scores, "intervals" {score: [low, high]} (95 % bootstrap over
    utterances) and "calibration" {slot: {"ece", "n", "bins"}} of the closed
    slots that the corpus annotates.
  """
  found = {}
  for name, scores in corpora.items():
    pairs = [
      (each, values)
      for each, values in zip(predictions, scored, strict=True)
      if each.example.corpus == name
    ]
    records = mixture.corpora[name]
    found[name] = scores | {
      "intervals": _intervals(pairs, mixture.emotion_classes(name)),
      "calibration": _calibrations(
        [each for each, _ in pairs], records.scheme_name
      ),
    }
  return found


def _intervals(
  pairs: Sequence[tuple[LabelledExample, Mapping[str, Any]]],
  classes: Sequence[str],
) -> dict[str, list[float]]:
  found: dict[str, list[float]] = {}
  for field in ("intensity", "emotion"):
    rated = [
      (values[field], getattr(each.example.record, field))
      for each, values in pairs
      if values[field] is not None
    ]
    if rated:
      score = scorer(field, rated, classes)
      for name, each in confidence.bootstrap(score, len(rated)).items():
        found[name] = [each.low, each.high]
  return found


def scorer(
  field: str, rated: Sequence[tuple[Any, Any]], classes: Sequence[str]
) -> Callable[[np.ndarray], Mapping[str, Any]]:
  """Scores the rows with given indices."""
  predicted = np.array([value for value, _ in rated])
  target = np.array([value for _, value in rated])
  if field == "intensity":
    return lambda rows: metrics.sentiment_scores(predicted[rows], target[rows])
  return lambda rows: metrics.emotion_scores(
    predicted[rows].tolist(), target[rows].tolist(), classes
  )


def _calibrations(
  predictions: Sequence[LabelledExample], scheme: str
) -> dict[str, dict[str, Any]]:
  """Per closed slot: is what was written as likely as its probability says?"""
  found = {}
  for slot, field in (
    ("polarity", "polarity"),
    (scheme, "emotion"),
    (EMOTION, "emotion"),
  ):
    sure, right = [], []
    for each in predictions:
      target = getattr(each.example.record, field)
      written = each.labelled.parsed.fields.get(slot)
      chances = each.labelled.probabilities.get(slot)
      if target and written is not None and chances is not None:
        # A sum of rounded shares may be above one by a last bit.
        sure.append(min(chances[written], 1.0))
        right.append(written == target)
    if sure:
      bins = calibration.reliability(sure, right)
      found[slot] = {
        "ece": calibration.expected_calibration_error(bins),
        "n": len(sure),
        "bins": [dataclasses.asdict(each) for each in bins],
      }
  return found
