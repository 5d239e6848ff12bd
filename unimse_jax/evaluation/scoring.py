"""Predictions against the truth, corpus by corpus (D26)."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.data.mixture import Example, Mixture
from unimse_jax.evaluation import metrics
from unimse_jax.prediction.labeller import Labelled


@dataclasses.dataclass(frozen=True)
class LabelledExample:
  """One utterance and what was written about it."""

  example: Example
  labelled: Labelled


def fallbacks(train: Sequence[Example]) -> tuple[float, str]:
  """Median intensity and most frequent emotion of a corpus's train split.

  They stand in for fields that were malformed (D26).
  """
  intensities = [
    example.record.intensity
    for example in train
    if example.record.intensity is not None
  ]
  emotions = Counter(
    example.record.emotion for example in train if example.record.emotion
  )
  median = float(np.median(intensities)) if intensities else 0.0
  # Of equally frequent classes the first by name, so that runs agree.
  majority = min(emotions, key=lambda word: (-emotions[word], word), default="")
  return median, majority


def score_corpora(
  predictions: Sequence[LabelledExample], mixture: Mixture
) -> dict[str, dict[str, Any]]:
  """Scores of every corpus by what it annotates, as fractions."""
  scores = {}
  for name, records in mixture.corpora.items():
    own = [each for each in predictions if each.example.corpus == name]
    if not own:
      continue
    train = [
      example for example in mixture.examples["train"] if example.corpus == name
    ]
    intensity = _score_intensity(own, train)
    emotion = _score_emotion(
      own, train, records.scheme_name, records.emotion_classes
    )
    # A corpus may rate fewer utterances for the one than for the other.
    ns = {
      "n_intensity": intensity.get("n", 0),
      "n_emotion": emotion.get("n", 0),
    }
    malformed = sum(each.labelled.parsed.malformed for each in own)
    scores[name] = intensity | emotion | ns | {"malformed": malformed}
  return scores


def _score_intensity(
  own: Sequence[LabelledExample], train: Sequence[Example]
) -> dict[str, Any]:
  rated = [each for each in own if each.example.record.intensity is not None]
  if not rated:
    return {}
  median, _ = fallbacks(train)
  predicted = [each.labelled.parsed.fields.get("intensity") for each in rated]
  target = [each.example.record.intensity for each in rated]
  known = [
    example.record.intensity
    for example in train
    if example.record.intensity is not None
  ]
  return metrics.sentiment_scores(
    [median if value is None else value for value in predicted], target
  ) | {"constant_sentiment": metrics.constant_sentiment(known, target)}


def _score_emotion(
  own: Sequence[LabelledExample],
  train: Sequence[Example],
  scheme: str,
  classes: Sequence[str],
) -> dict[str, Any]:
  rated = [each for each in own if each.example.record.emotion]
  if not rated:
    return {}
  _, majority = fallbacks(train)
  predicted = [
    each.labelled.parsed.emotion(scheme) or majority for each in rated
  ]
  target = [each.example.record.emotion for each in rated]
  known = [
    example.record.emotion for example in train if example.record.emotion
  ]
  scores = metrics.emotion_scores(predicted, target, classes)
  constant = metrics.constant_emotion(known, target, classes)
  # The number of utterances rated for emotion: a corpus may rate fewer for
  # the one than for the other.
  return scores | {
    "n_emotion": scores["n"],
    "constant_emotion": {
      name: constant[name] for name in ("acc", "wf1", "macro_f1")
    },
  }


def decoding_report(predictions: Sequence[LabelledExample]) -> dict[str, Any]:
  """How much of the output is legal, and how much it varies.

  Returns:
    n: utterances.
    malformed, malformed_rate: what the model writes without the grammar.
    malformed_outputs: of the outputs that were scored; those are the same
      texts where config.decoding.constrained is False.
    distinct_outputs: of the scored ones.
  """
  free = [each.labelled.free or each.labelled.parsed for each in predictions]
  malformed = sum(label.malformed for label in free)
  return {
    "n": len(predictions),
    "malformed": malformed,
    "malformed_rate": malformed / max(len(predictions), 1),
    "malformed_outputs": sum(
      each.labelled.parsed.malformed for each in predictions
    ),
    "distinct_outputs": len({each.labelled.output for each in predictions}),
  }


def targets(example: Example) -> Mapping[str, Any]:
  """What the corpus annotates, by field; None where it does not."""
  record = example.record
  return {
    "polarity": record.polarity or None,
    "intensity": record.intensity,
    "emotion": record.emotion or None,
  }
