"""Exact probabilities of the closed fields, by scoring every class.

The probability of class c in a slot, after the fields that the model wrote
before it, is P(fields before, c, separator) over the sum of the same over all
classes. The whole text up to the separator is scored, so the answer does not
depend on where the vocabulary cuts its pieces.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from unimse_jax.labels import LabelText


def candidate(
  fields: Mapping[str, str | float | None],
  slot: str,
  word: str,
  label_text: LabelText,
) -> str | None:
  """The text to score for one class of one slot.

  Returns:
    The fields before the slot, the class, and the separator unless the slot is
    the last; None where a field before the slot is not legal.
  """
  slots = label_text.slots
  place = slots.index(slot)
  before = [fields[name] for name in slots[:place]]
  if None in before:
    return None
  texts = [*map(label_text.field, before), word]
  end = "" if place == len(slots) - 1 else label_text.separator.rstrip()
  return label_text.separator.join(texts) + end


def normalized(log_p: Sequence[float]) -> np.ndarray:
  """float64[N] that sum to one."""
  shifted = np.exp(np.asarray(log_p, np.float64) - np.max(log_p))
  return shifted / shifted.sum()
