"""Weights of emotion classes that make up for how rare they are."""

import collections
from collections.abc import Iterable, Mapping

from unimse_jax.labels.schemes import LabelSchema, UniversalLabel

# Slot -> word -> weight in the loss.
ClassWeights = Mapping[str, Mapping[str, float]]


def count_classes(
  labels: Iterable[UniversalLabel], schema: LabelSchema
) -> dict[str, dict[str, int]]:
  """Slot -> word -> number of labels, of the slots that have any.

  Annotated emotions alone: a donor's say nothing about how rare a class is.

  Args:
    labels: labels of the training split.
    schema: slots that are written.
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
  return {slot: dict(count) for slot, count in counts.items() if count}


def class_weights(
  counts: Mapping[str, Mapping[str, int]], power: float
) -> ClassWeights:
  """(mean count of a class / count of the class) ** power, for each slot.

  The weights of a slot are scaled so that their mean over its annotated
  emotions is 1, and the loss keeps its scale.

  Args:
    counts: from `count_classes`.
    power: 0 for no weights, 1 for as much weight in all for each class.
  """
  return {slot: _weights(count, power) for slot, count in counts.items()}


def _weights(count: Mapping[str, int], power: float) -> dict[str, float]:
  raw = {word: n**-power for word, n in count.items()}
  mean = sum(raw[word] * n for word, n in count.items()) / sum(count.values())
  return {word: each / mean for word, each in raw.items()}
