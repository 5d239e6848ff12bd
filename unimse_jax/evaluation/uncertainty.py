"""How far the scores of a split can be trusted: intervals and calibration."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.data.mixture import Mixture
from unimse_jax.evaluation import calibration, confidence, metrics
from unimse_jax.evaluation.confidence import Groups, Scorer
from unimse_jax.labels.schemes import EMOTION
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.tables.scores import INTENSITY, TASKS


def add_uncertainty(
  corpora: Mapping[str, dict[str, Any]],
  predictions: Sequence[Prediction],
  scored: Sequence[Mapping[str, Any]],
  mixture: Mixture,
) -> dict[str, dict[str, Any]]:
  """The scores of `score_corpora` with what says how sure they are.

  Args:
    corpora: name -> scores.
    predictions: predictions of the split, with probabilities.
    scored: values that each of them is scored by, from `scored_values`.
    mixture: corpora of the run, with what they annotate.

  Returns:
    name -> scores, "intervals" {score: [low, high]} (95 %), "resampled" {field:
    {"unit", "groups"}}: what they drew, "utterance_intervals": the same of
    single utterances, and "calibration" {slot: {"ece", "n", "bins"}} of the
    closed slots that the corpus annotates.
  """
  extended = {}
  for name, scores in corpora.items():
    pairs = [
      (each, values)
      for each, values in zip(predictions, scored, strict=True)
      if each.record.corpus == name
    ]
    records = mixture.corpora[name]
    extended[name] = (
      scores
      | _intervals(pairs, mixture.emotion_classes(name))
      | {
        "calibration": _calibrations(
          [each for each, _ in pairs], records.scheme_name
        )
      }
    )
  return extended


def _intervals(
  pairs: Sequence[tuple[Prediction, Mapping[str, Any]]],
  classes: Sequence[str],
) -> dict[str, dict[str, Any]]:
  """intervals, resampled and utterance_intervals of one corpus."""
  intervals, resampled, plain = {}, {}, {}
  for task in TASKS:
    field = task.field
    rated = [(each, v) for each, v in pairs if v[field] is not None]
    if not rated:
      continue
    records = [each.record for each, _ in rated]
    values = [(v[field], getattr(each.record, field)) for each, v in rated]
    score = scorer(field, values, classes)
    groups = Groups.of(
      [each.dialogue for each in records], [each.speaker for each in records]
    )
    resampled[field] = groups.describe()
    for group, ends in (
      (groups, intervals),
      (Groups.single(len(rated)), plain),
    ):
      for name, each in confidence.bootstrap(score, group).items():
        ends[name] = [each.low, each.high]
  return {
    "intervals": intervals,
    "resampled": resampled,
    "utterance_intervals": plain,
  }


def scorer(
  field: str, rated: Sequence[tuple[Any, Any]], classes: Sequence[str]
) -> Scorer:
  """A function that scores the rows with given indices.

  Args:
    field: "intensity" or "emotion".
    rated: prediction and target of each utterance that is rated for it.
    classes: classes of the emotion.
  """
  predicted = np.array([value for value, _ in rated])
  target = np.array([value for _, value in rated])
  if field == INTENSITY.field:
    return lambda rows: metrics.sentiment_scores(predicted[rows], target[rows])
  return lambda rows: metrics.emotion_scores(
    predicted[rows].tolist(), target[rows].tolist(), classes
  )


def _calibrations(
  predictions: Sequence[Prediction], scheme: str
) -> dict[str, dict[str, Any]]:
  """Per closed slot: is what was written as likely as its probability says?"""
  calibrations = {}
  for slot, field in (
    ("polarity", "polarity"),
    (scheme, "emotion"),
    (EMOTION, "emotion"),
  ):
    sure, right = [], []
    for each in predictions:
      target = getattr(each.record, field)
      written = each.parsed.fields.get(slot)
      chances = each.probabilities.get(slot)
      if target and written is not None and chances is not None:
        # A sum of rounded shares may be above one by a last bit.
        sure.append(min(chances[written], 1.0))
        right.append(written == target)
    if sure:
      bins = calibration.reliability(sure, right)
      calibrations[slot] = {
        "ece": calibration.expected_calibration_error(bins),
        "n": len(sure),
        "bins": [dataclasses.asdict(each) for each in bins],
      }
  return calibrations
