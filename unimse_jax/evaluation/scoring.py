"""Predictions against the truth, corpus by corpus (D26)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.data.mixture import Mixture
from unimse_jax.data.records import Record
from unimse_jax.errors import InputError
from unimse_jax.evaluation import metrics
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.tables.scores import EMOTION, INTENSITY, of_task

# Schemes of which the paper names the classes without neutral (section 4.1,
# Table 5), though its scores are over all (D38).
_NAMED_WITHOUT_NEUTRAL = ("meld",)
_NEUTRAL = "neutral"


def fallbacks(train: Sequence[Record]) -> tuple[float, str]:
  """Median intensity and most frequent emotion of a corpus's train split.

  They stand in for fields that were malformed (D26).
  """
  intensities = [
    example.intensity for example in train if example.intensity is not None
  ]
  emotions = Counter(example.emotion for example in train if example.emotion)
  median = float(np.median(intensities)) if intensities else 0.0
  return median, metrics.majority(emotions)


def scored_values(
  predictions: Sequence[Prediction], mixture: Mixture
) -> list[dict[str, Any]]:
  """What each prediction is scored by: its fields, or what stands in for them.

  Args:
    predictions: predictions of a split.
    mixture: corpora with the train split that stand-ins are taken from.

  Returns:
    {"intensity": float or None, "emotion": str or None} of every prediction;
    None where its corpus does not rate the utterance for it.
  """
  stand_ins = {
    name: fallbacks(
      [each for each in mixture.examples["train"] if each.corpus == name]
    )
    for name in mixture.corpora
  }
  values = []
  for each in predictions:
    record, parsed = each.record, each.parsed
    median, majority = stand_ins[each.record.corpus]
    scheme = mixture.corpora[each.record.corpus].scheme_name
    intensity = parsed.fields.get("intensity")
    intensity = median if intensity is None else intensity
    values.append(
      {
        "intensity": None if record.intensity is None else intensity,
        "emotion": (parsed.emotion(scheme) or majority)
        if record.emotion
        else None,
      }
    )
  return values


def score_corpora(
  predictions: Sequence[Prediction],
  scored: Sequence[Mapping[str, Any]],
  mixture: Mixture,
) -> dict[str, dict[str, Any]]:
  """Scores of every corpus by what it annotates, as fractions.

  Args:
    predictions: predictions of a split.
    scored: values that each of them is scored by, from `scored_values`.
    mixture: corpora of the run, with what they annotate.

  Raises:
    InputError: a corpus annotates something outside its train split alone.
  """
  scores = {}
  for name in mixture.corpora:
    pairs = [
      (each, values)
      for each, values in zip(predictions, scored, strict=True)
      if each.record.corpus == name
    ]
    if not pairs:
      continue
    own = [each for each, _ in pairs]
    train = [
      example for example in mixture.examples["train"] if example.corpus == name
    ]
    intensity = _score_intensity(pairs, train)
    classes = mixture.emotion_classes(name)
    emotion = _score_emotion(pairs, train, classes)
    scheme = mixture.corpora[name].scheme_name
    if emotion and scheme in _NAMED_WITHOUT_NEUTRAL:
      emotion |= _score_six_classes(pairs, train, classes)
    # A corpus may rate fewer utterances for the one than for the other.
    ns = {
      "n_intensity": intensity.get("n", 0),
      "n_emotion": emotion.get("n", 0),
    }
    malformed = sum(each.parsed.malformed for each in own)
    scores[name] = intensity | emotion | ns | {"malformed": malformed}
  return scores


_Pairs = Sequence[tuple[Prediction, Mapping[str, Any]]]


def _score_intensity(pairs: _Pairs, train: Sequence[Record]) -> dict[str, Any]:
  predicted, target = _rated(pairs, "intensity")
  if not target:
    return {}
  known = [
    example.intensity for example in train if example.intensity is not None
  ]
  _check_known(known, pairs, "an intensity")
  return metrics.sentiment_scores(predicted, target) | {
    INTENSITY.constant: metrics.constant_sentiment(known, target)
  }


def _check_known(known: Sequence, pairs: _Pairs, field: str) -> None:
  """The constant predictor and the stand-in are of the train split.

  Raises:
    InputError: it rates no utterance for the field.
  """
  if not known:
    corpus = pairs[0][0].record.corpus
    raise InputError(
      f"{corpus}: expected {field} of some train utterance, for the constant "
      "predictor that scores are held against; found none. Export the corpus "
      "with train utterances that have it, or without it in the other splits."
    )


def _score_emotion(
  pairs: _Pairs, train: Sequence[Record], classes: Sequence[str]
) -> dict[str, Any]:
  predicted, target = _rated(pairs, "emotion")
  if not target:
    return {}
  known = [example.emotion for example in train if example.emotion]
  _check_known(known, pairs, "an emotion")
  scores = metrics.emotion_scores(predicted, target, classes)
  constant = metrics.constant_emotion(known, target, classes)
  # The number of utterances rated for emotion: a corpus may rate fewer for
  # the one than for the other.
  return scores | {
    "n_emotion": scores["n"],
    EMOTION.constant: _emotion_scores_of(constant),
  }


def _emotion_scores_of(scores: Mapping[str, Any]) -> dict[str, float]:
  """The scores alone, without confusion and classes."""
  return {score.name: scores[score.name] for score in of_task(EMOTION)}


def _score_six_classes(
  pairs: _Pairs, train: Sequence[Record], classes: Sequence[str]
) -> dict[str, Any]:
  """Scores over the utterances that are not neutral (D38).

  The same predictions: where "neutral" was said it is wrong. Empty where no
  utterance is left, or the scheme has no neutral class.
  """
  predicted, target = _rated(pairs, "emotion")
  kept = [place for place, word in enumerate(target) if word != _NEUTRAL]
  if not kept or _NEUTRAL not in classes:
    return {}
  named = [word for word in classes if word != _NEUTRAL]
  rated = (
    [predicted[place] for place in kept],
    [target[place] for place in kept],
  )
  known = [
    example.emotion
    for example in train
    if example.emotion and example.emotion != _NEUTRAL
  ]
  scores = metrics.emotion_scores(*rated, named)
  if known:
    constant = metrics.constant_emotion(known, rated[1], named)
    scores[EMOTION.constant] = _emotion_scores_of(constant)
  return {"six_classes": scores}


def _rated(pairs: _Pairs, field: str) -> tuple[list, list]:
  """Predictions and targets of the utterances that are rated for a field."""
  rated = [
    (values[field], getattr(each.record, field))
    for each, values in pairs
    if values[field] is not None
  ]
  return [value for value, _ in rated], [target for _, target in rated]


def donor_texts(
  predictions: Sequence[Prediction], mixture: Mixture
) -> dict[str, str]:
  """ "corpus/split/id" -> text, of the donors of the predictions' labels."""
  wanted = {
    donor["donor"]
    for each in predictions
    for donor in each.record.label.donors.values()
  }
  texts = {}
  for split, examples in mixture.examples.items():
    for example in examples:
      place = f"{example.corpus}/{split}/{example.id}"
      if place in wanted:
        texts[place] = example.text
  return texts


def decoding_report(predictions: Sequence[Prediction]) -> dict[str, Any]:
  """How much of the output is legal, and how much it varies.

  Returns:
    n: number of utterances.
    malformed, malformed_rate: number and share of malformed texts among those
      that the model writes without the grammar.
    malformed_outputs: number of malformed texts among the scored outputs; the
      same texts where config.decoding.constrained is False.
    distinct_outputs: number of different scored outputs.
  """
  free = [each.free or each.parsed for each in predictions]
  malformed = sum(label.malformed for label in free)
  return {
    "n": len(predictions),
    "malformed": malformed,
    "malformed_rate": malformed / max(len(predictions), 1),
    "malformed_outputs": sum(each.parsed.malformed for each in predictions),
    "distinct_outputs": len({each.output for each in predictions}),
  }
