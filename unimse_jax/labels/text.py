"""Label to text and back (D23, D24, D26)."""

import bisect
import dataclasses
import math
import struct
from collections.abc import Iterable, Mapping

from unimse_jax.labels.schemes import (
  EMOTION,
  INTENSITY_RANGE,
  LabelSchema,
  UniversalLabel,
  polarity_of_number,
)

# Stands where a slot could not be completed; never a class of a scheme.
UNKNOWN = "unknown"
_RAW_DECIMALS = 4  # more are no decimal that anybody wrote down


@dataclasses.dataclass(frozen=True)
class ParsedLabel:
  """What a generated text says.

  Attributes:
    fields: slot -> class, number, or None where nothing legal stood.
    malformed: the number of fields is wrong or one of them is not legal.
  """

  fields: Mapping[str, str | float | None]
  malformed: bool

  def emotion(self, scheme: str) -> str | None:
    """What stands for a scheme: in its own slot, or in the one for all."""
    value = self.fields.get(scheme, self.fields.get(EMOTION))
    return value if isinstance(value, str) else None


@dataclasses.dataclass(frozen=True)
class LabelText:
  """The text form: fields in the schema's order, e.g. `positive, 1.6, joy`.

  Attributes:
    schema: the slots.
    separator: between the fields (D23).
    decimals: digits of the intensity behind the point (D24).
    raw: writes the intensity as the authors' files do; `decimals` is unused.
    grid: the training split's intensities, rising. With it the number slot
      holds their texts alone.
    snap: reads a number as the nearest one of the grid.
    consistent: ties the number's sign and the emotions to the polarity, see
      `words_after`.
    contradictions: (polarity, slot, word) of training labels that break the
      tie; they stay legal.
  """

  schema: LabelSchema
  separator: str = ", "
  decimals: int = 2
  raw: bool = False
  grid: tuple[float, ...] = ()
  snap: bool = False
  consistent: bool = False
  contradictions: frozenset[tuple[str, str, str]] = frozenset()

  def write(self, label: UniversalLabel) -> str:
    """The text that the model learns to write."""
    return self.separator.join(self.fields(label))

  def fields(self, label: UniversalLabel) -> list[str]:
    """The text of each slot of the schema."""
    label = self.schema.project(label)
    values = [label.polarity]
    if self.schema.intensity:
      values.append(label.intensity)
    values += [label.emotions.get(each.name) for each in self.schema.schemes]
    return [self.field(value) for value in values]

  def field(self, value: str | float | None) -> str:
    """One field as it is written."""
    if value is None or isinstance(value, str):
      return value or UNKNOWN
    if self.raw:
      return raw_number(value)
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

    Classes of a closed slot; for the intensity every number from -3 to 3, or
    those of the grid.

    Raises:
      KeyError: no such slot.
    """
    if slot == "intensity" and self.grid:
      return tuple(dict.fromkeys(self.field(value) for value in self.grid))
    if slot == "intensity" and self.schema.intensity:
      steps = 10**self.decimals
      low, high = (round(end * steps) for end in INTENSITY_RANGE)
      return tuple(self.field(step / steps) for step in range(low, high + 1))
    return self.schema.classes(slot)

  def words_after(self, polarity: str, slot: str) -> tuple[str, ...]:
    """What may stand in a slot of a text that begins with this polarity.

    With `consistent`: numbers of the polarity's sign, of neutral 0 alone, and
    the classes to which their scheme gives this polarity or none. A slot that
    has no such word is not tied.
    """
    words = self.words(slot)
    if not self.consistent or slot == "polarity":
      return words
    return (
      tuple(word for word in words if self._agrees(polarity, slot, word))
      or words
    )

  def find_contradictions(
    self, labels: Iterable[UniversalLabel]
  ) -> frozenset[tuple[str, str, str]]:
    """(polarity, slot, word) of labels whose text breaks the tie."""
    contradictions = set()
    for label in labels:
      polarity, *fields = self.fields(label)
      for slot, word in zip(self.slots[1:], fields, strict=True):
        if word != UNKNOWN and not self._agrees(polarity, slot, word):
          contradictions.add((polarity, slot, word))
    return frozenset(contradictions)

  def _agrees(self, polarity: str, slot: str, word: str) -> bool:
    """Whether a field says nothing against the polarity."""
    if (polarity, slot, word) in self.contradictions:
      return True
    if slot != "intensity":
      return self.schema.polarity_of(slot, word) in ("", polarity)
    return polarity_of_number(float(word)) == polarity

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

  def number(self, text: str) -> float | None:
    """What a written number is read as, or None where it is none."""
    value = parse_number(text)
    return value if value is None else self._snapped(value)

  def _value(self, slot: str, piece: str) -> str | float | None:
    if slot == "intensity":
      return self.number(piece)
    # The class as the scheme writes it: a user's own may have capitals.
    words = {word.lower(): word for word in self.schema.classes(slot)}
    return words.get(piece)

  def _snapped(self, value: float) -> float:
    """The nearest number of the grid, of two the lower one."""
    if not self.snap or not self.grid:
      return value
    place = bisect.bisect_left(self.grid, value)
    near = self.grid[max(place - 1, 0) : place + 1]
    return min(near, key=lambda known: abs(known - value))


def raw_number(value: float) -> str:
  """A number as the authors' label files have it (D24).

  They write what was rated in tenths as it is, 1.6, and the means of MOSEI's
  raters as the float32 that they were stored in, -1.3333333730697632. Records
  hold float32 too, so that 1.6 is told by its shortest text.
  """
  (single,) = struct.unpack("f", struct.pack("f", value))
  for decimals in range(1, _RAW_DECIMALS + 1):
    text = f"{single:.{decimals}f}"
    if struct.pack("f", float(text)) == struct.pack("f", single):
      return "0.0" if text == "-0.0" else text
  return repr(single)


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
