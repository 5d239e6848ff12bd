"""Weights of emotion classes that make up for how rare they are."""

import collections
from collections.abc import Iterable, Mapping

from unimse_jax.labels.schemes import LabelSchema, UniversalLabel

# Slot -> word -> weight in the loss.
ClassWeights = Mapping[str, Mapping[str, float]]


def class_weights(
  labels: Iterable[UniversalLabel], schema: LabelSchema, power: float
) -> ClassWeights:
  """(mean count of a class / count of the class) ** power, for each slot.

  The counts are of annotated emotions: a donor's say nothing about how rare a
  class is. The weights of a slot are scaled so that their mean over its
  annotated emotions is 1, and the loss keeps its scale.

  Args:
    labels: labels of the training split.
    schema: slots that are written.
    power: 0 for no weights, 1 for as much weight in all for each class.
  """
  counts: dict[str, collections.Counter] = {
    scheme.name: collections.Counter() for scheme in schema.schemes
  }
  for label in labels:
    own = schema.project(label)
    for slot, count in counts.items():
      word = own.emotions.get(slot)
      if word and slot not in own.donors:
        count[word] += 1
  return {
    slot: _weights(count, power) for slot, count in counts.items() if count
  }


def _weights(count: collections.Counter, power: float) -> dict[str, float]:
  raw = {word: n**-power for word, n in count.items()}
  mean = sum(raw[word] * n for word, n in count.items()) / count.total()
  return {word: each / mean for word, each in raw.items()}
