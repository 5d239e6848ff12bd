"""What the corpora annotate of a batch's utterances, as arrays.

UniMSE learns to write labels; its heads and the systems of `unimse_jax.rivals`
learn numbers and classes, and of them only what was annotated: a donor's say is
not.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from unimse_jax.data.records import Record
from unimse_jax.labels import INTENSITY, ClassWeights, LabelSchema


def emotion(slot: str) -> str:
  """The array of a slot's classes."""
  return f"emotion_{slot}"


def weight(name: str) -> str:
  """The array that says how much the entries of another one count."""
  return f"{name}_weight"


@dataclasses.dataclass(frozen=True)
class Annotations:
  """Attributes:
  schema: slots of the labels.
  class_weights: slot -> word -> weight in the loss; 1 for what is not there.
  """

  schema: LabelSchema
  class_weights: ClassWeights

  def arrays(
    self, rows: Sequence[int], records: Sequence[Record], size: int
  ) -> dict[str, np.ndarray]:
    """The arrays of `size` rows; those beyond the given ones count nothing.

    Args:
      rows: numbers of the records in their split.
      records: the records, with their labels.
      size: B.

    Returns:
      `example` int32[B], -1 at padding; `intensity` float32[B]; of every
      emotion slot `emotion_<slot>` int32[B], number of the class; and to each
      of these `<name>_weight` float32[B], 0 where it is not annotated.
    """
    found = {"example": np.full(size, -1, np.int32)}
    found["example"][: len(rows)] = rows
    if self.schema.intensity:
      found[INTENSITY] = np.zeros(size, np.float32)
      found[weight(INTENSITY)] = np.zeros(size, np.float32)
    for scheme in self.schema.schemes:
      name = emotion(scheme.name)
      found[name] = np.zeros(size, np.int32)
      found[weight(name)] = np.zeros(size, np.float32)
    for row, record in enumerate(records):
      self._add(found, row, record)
    return found

  def _add(
    self, found: dict[str, np.ndarray], row: int, record: Record
  ) -> None:
    label = self.schema.project(record.label)
    own = {INTENSITY: label.intensity, **label.emotions}
    for slot in self.schema.slots:
      value = own.get(slot)
      if slot == "polarity" or value is None or slot in label.donors:
        continue
      if slot == INTENSITY:
        found[INTENSITY][row] = value
        found[weight(INTENSITY)][row] = 1.0
        continue
      name, classes = emotion(slot), self.schema.classes(slot)
      found[name][row] = classes.index(value)
      weights = self.class_weights.get(slot, {})
      found[weight(name)][row] = weights.get(value, 1.0)
