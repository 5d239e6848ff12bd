"""The paper's Tables 1, 4, 5 and 6 for the terminal, ours beside theirs."""

from collections.abc import Sequence
from dataclasses import dataclass

TITLES = {
  1: "clips",
  4: "mean length of a clip, s",
  5: "emotions of meld",
  6: "emotions of iemocap",
}
_LEGEND = (
  "ours | the paper's; = equal, * a known error of the paper, "
  "! unexplained, - unknown"
)


@dataclass(frozen=True)
class Cell:
  """A cell of a published table beside what the records hold.

  Attributes:
    found: None where the corpus, or its audio, is not there.
    published: None where the paper leaves the row out.
    reason: why they differ, where that is known.
  """

  table: int
  corpus: str
  row: str
  column: str
  found: float | None
  published: float | None
  reason: str = ""

  @property
  def comparable(self) -> bool:
    return self.found is not None and self.published is not None

  @property
  def differs(self) -> bool:
    return self.comparable and self.found != self.published

  @property
  def mark(self) -> str:
    if not self.comparable:
      return " "
    if not self.differs:
      return "="
    return "*" if self.reason else "!"

  @property
  def name(self) -> str:
    """Of its row in the printed table."""
    return self.corpus if self.table in (1, 4) else self.row


def _number(value: float | None) -> str:
  if value is None:
    return "-"
  return f"{value:.1f}" if isinstance(value, float) else str(value)


def _notes(cells: Sequence[Cell]) -> list[str]:
  """One line per reason, and one for all that is unexplained."""
  rows: dict[tuple[str, str], list[str]] = {}
  for cell in cells:
    if cell.differs:
      why = cell.reason or "no known error of the paper explains it"
      rows.setdefault((cell.mark, why), []).append(cell.name)
  return [
    f"  {mark} {', '.join(dict.fromkeys(names))}: {why}"
    for (mark, why), names in rows.items()
  ]


def _format_table(table: int, cells: Sequence[Cell]) -> str:
  title = f"Table {table}: {TITLES[table]}"
  if all(cell.found is None for cell in cells):
    return f"{title}: nothing of it here"
  columns = list(dict.fromkeys(cell.column for cell in cells))
  lines = [title, " " * 12 + "".join(f"{each:^19}" for each in columns)]
  for name in dict.fromkeys(cell.name for cell in cells):
    own = [
      f"{_number(cell.found):>7} | {_number(cell.published):>6} {cell.mark} "
      for cell in cells
      if cell.name == name
    ]
    lines.append(f"  {name:10}" + "".join(own))
  return "\n".join(line.rstrip() for line in [*lines, *_notes(cells)])


def format_tables(cells: Sequence[Cell]) -> str:
  """All four tables, at most 88 columns wide, and how many cells agree."""
  parts = [_LEGEND]
  for table in TITLES:
    own = [cell for cell in cells if cell.table == table]
    if own:
      parts.append(_format_table(table, own))
  printed = [cell for cell in cells if cell.published is not None]
  different = [cell for cell in printed if cell.differs]
  unexplained = sum(not cell.reason for cell in different)
  unknown = sum(cell.found is None for cell in printed)
  parts.append(
    f"of {len(printed)} published cells "
    f"{len(printed) - len(different) - unknown} are equal, {len(different)} "
    f"differ ({unexplained} unexplained), {unknown} are unknown here"
  )
  return "\n\n".join(parts)
