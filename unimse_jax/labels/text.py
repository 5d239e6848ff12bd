"""Label to text and back (design 4.3; D23, D24, D26)."""

import dataclasses
import math
from collections.abc import Mapping

from unimse_jax.labels.schemes import (
  INTENSITY_RANGE,
  LabelSchema,
  UniversalLabel,
)

# Stands where a slot could not be completed; never a class of a scheme.
UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class ParsedLabel:
  """What a generated text says.

  Attributes:
    fields: slot -> class, number, or None where nothing legal stood.
    malformed: the number of fields is wrong or one of them is not legal.
  """

  fields: Mapping[str, str | float | None]
  malformed: bool


@dataclasses.dataclass(frozen=True)
class LabelText:
  """The text form: fields in the schema's order, e.g. `positive, 1.6, joy`."""

  schema: LabelSchema
  separator: str = ", "
  decimals: int = 2

  def write(self, label: UniversalLabel) -> str:
    """The text that the model learns to write."""
    return self.separator.join(self.fields(label))

  def fields(self, label: UniversalLabel) -> list[str]:
    """The text of each slot of the schema."""
    values = [label.polarity]
    if self.schema.intensity:
      values.append(label.intensity)
    values += [label.emotions.get(each.name) for each in self.schema.schemes]
    return [self.field(value) for value in values]

  def field(self, value: str | float | None) -> str:
    """One field as it is written."""
    if value is None or isinstance(value, str):
      return value or UNKNOWN
    text = f"{value:.{self.decimals}f}"
    if "." in text:
      text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text

  @property
  def slots(self) -> tuple[str, ...]:
    """The slots that are written, in their order."""
    return self.schema.slots

  def words(self, slot: str) -> tuple[str, ...]:
    """All that may stand in a slot, as it is written; never UNKNOWN.

    Classes of a closed slot; for the intensity every number from -3 to 3.

    Raises:
      KeyError: no such slot.
    """
    if slot == "intensity" and self.schema.intensity:
      steps = 10**self.decimals
      low, high = (round(end * steps) for end in INTENSITY_RANGE)
      return tuple(self.field(step / steps) for step in range(low, high + 1))
    return self.schema.classes(slot)

  def parse(self, text: str) -> ParsedLabel:
    """Reads generated text; never fails.

    Fields are taken by position, without regard to case and spaces. A number
    outside of [-3, 3] is brought to the nearer end and counts as legal.
    """
    slots = self.schema.slots
    pieces = [piece.strip().lower() for piece in text.split(",")]
    malformed = len(pieces) != len(slots)
    fields = {}
    for position, slot in enumerate(slots):
      piece = pieces[position] if position < len(pieces) else ""
      fields[slot] = self._value(slot, piece)
      malformed |= fields[slot] is None and piece != UNKNOWN
    return ParsedLabel(fields, malformed)

  def _value(self, slot: str, piece: str) -> str | float | None:
    if slot == "intensity":
      return parse_number(piece)
    # The class as the scheme writes it: a user's own may have capitals.
    words = {word.lower(): word for word in self.schema.classes(slot)}
    return words.get(piece)


def parse_number(piece: str) -> float | None:
  """A finite number brought into [-3, 3], or None."""
  try:
    value = float(piece)
  except ValueError:
    return None
  if "_" in piece:  # Python reads 1_0 as ten
    return None
  if not math.isfinite(value):
    return None
  low, high = INTENSITY_RANGE
  return min(max(value, low), high)
