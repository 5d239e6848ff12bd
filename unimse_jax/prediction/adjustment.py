"""Emotions chosen by their probability over how frequent their class is.

A model that has learned the frequencies of its training corpus says "neutral" a
little too often for a score that counts every class alike. Dividing by the
frequency to a power (post-hoc logit adjustment; Menon et al. 2021) undoes that
without training anew; accuracy loses what macro F1 gains.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from unimse_jax.labels import ParsedLabel
from unimse_jax.prediction.prediction import Prediction

# Emotion slot -> word -> number of training labels that were annotated so.
ClassCounts = Mapping[str, Mapping[str, int]]


def adjust(
  predictions: Sequence[Prediction], counts: ClassCounts, power: float
) -> list[Prediction]:
  """The predictions with the emotion of greatest p / n ** power in each slot.

  A class that training has not seen, or that may not follow the polarity that
  was written, is not chosen; a malformed slot stays so. The output text stays
  what was written, and the probabilities stay the model's own.

  Args:
    predictions: predictions with probabilities.
    counts: n of each class.
    power: 0 for the most probable class.
  """
  return [
    dataclasses.replace(
      each, parsed=_adjusted(each.parsed, each.probabilities, counts, power)
    )
    for each in predictions
  ]


def _adjusted(
  parsed: ParsedLabel,
  probabilities: Mapping[str, Mapping[str, float]],
  counts: ClassCounts,
  power: float,
) -> ParsedLabel:
  fields = dict(parsed.fields)
  for slot, of_class in counts.items():
    chances = probabilities.get(slot, {})
    rated = {
      word: chances[word] / n**power
      for word, n in of_class.items()
      if chances.get(word)
    }
    if fields.get(slot) is not None and rated:
      fields[slot] = max(rated, key=rated.__getitem__)
  return dataclasses.replace(parsed, fields=fields)
