"""A table, before it is written in some format."""

import dataclasses
import string
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Table:
  """Cells as text; `writers` writes it in five formats.

  Attributes:
    title: caption.
    rows: cells, the first row being the head. A row of one cell parts the
      rows below it from those above and names them. A cell may end in marks
      of notes: "86.9 [a]" or "86.9 [a, b]".
    slug: name of its files in the report folder; none where empty.
    spans: (heading, columns) above the head, from left to right.
    notes: mark -> what it says.
    shaded: whether cells are counts, drawn darker by their share of the row.
  """

  title: str
  rows: tuple[tuple[str, ...], ...]
  slug: str = ""
  spans: tuple[tuple[str, int], ...] = ()
  notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
  shaded: bool = False


class Notes:
  """Gives each note a letter, the same note the same letter."""

  def __init__(self):
    self._letters: dict[str, str] = {}

  def mark(self, cell: str, notes: Sequence[str]) -> str:
    """The cell with the letters of its notes; "-" needs none."""
    if cell == "-" or not notes:
      return cell
    for note in notes:
      self._letters.setdefault(note, _letter(len(self._letters)))
    letters = sorted({self._letters[note] for note in notes})
    return f"{cell} [{', '.join(letters)}]"

  @property
  def by_letter(self) -> dict[str, str]:
    """Letter -> note, as a table's `notes`."""
    return {letter: note for note, letter in self._letters.items()}


def _letter(number: int) -> str:
  letters = string.ascii_lowercase
  return letters[number] if number < 26 else "z" + _letter(number - 26)
