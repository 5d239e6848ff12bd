"""The paper's Tables 1, 4, 5 and 6 for the terminal, ours beside theirs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from feature_export.corpora.utterance import SPLITS
from feature_export.tables import published
from feature_export.tables.statistics import Statistics

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
    table: number of the table.
    corpus, row, column: place in the table.
    found: our value; None: the corpus, or its audio, is not there.
    published: the paper's value; None: the paper leaves the row out.
    reason: known reason of a difference, or "".
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
    """The name of its row in the printed table."""
    return self.corpus if self.table in (1, 4) else self.row


def _compare_counts(
  table: int,
  corpus: str,
  row: str,
  counts: dict | None,
  printed: Sequence[int] | None,
) -> list[Cell]:
  """The cells of one row; a known error is named only where it applies.

  Args:
    table, corpus, row: place of the row.
    counts: split -> our count; None: the corpus is not there.
    printed: published counts; None: the paper leaves the row out.
  """
  own_counts = [None] * len(published.COLUMNS)
  if counts is not None:
    splits = [counts.get(split, 0) for split in SPLITS]
    own_counts = [*splits, sum(splits)]
  cells = []
  for column, ours, theirs in zip(
    published.COLUMNS,
    own_counts,
    printed or [None] * len(own_counts),
    strict=True,
  ):
    true, why = published.REASONS.get((table, corpus, row, column), (None, ""))
    reason = why if ours == true and ours != theirs else ""
    cells.append(Cell(table, corpus, row, column, ours, theirs, reason))
  return cells


def task_seconds(statistics: dict[str, Statistics], task: str) -> float | None:
  """The sample-weighted mean length of a task's corpora, s; None if unknown."""
  chosen = [statistics.get(name) for name in published.TASKS[task]]
  if any(each is None or each.mean_seconds is None for each in chosen):
    return None
  weights = [sum(each.clips.values()) for each in chosen]
  total = sum(
    each.mean_seconds * weight
    for each, weight in zip(chosen, weights, strict=True)
  )
  return total / sum(weights)


def _compare_emotions(
  name: str, table: int, statistics: Statistics | None
) -> Iterator[Cell]:
  """Yields the cells of our classes, then of those that only the paper has."""
  ours = statistics.emotions if statistics else {}
  for word in dict.fromkeys([*ours, *published.EMOTIONS[name]]):
    counts = ours.get(word, {}) if statistics else None
    printed = published.EMOTIONS[name].get(word)
    yield from _compare_counts(table, name, word, counts, printed)


def compare(statistics: dict[str, Statistics]) -> list[Cell]:
  """All cells of the paper's tables, and of our classes that they leave out."""
  cells, lengths = [], {}
  for name, printed in published.CLIPS.items():
    own = statistics.get(name)
    clips = own.clips if own else None
    cells += _compare_counts(1, name, "clips", clips, printed)
    lengths[name] = own.mean_seconds if own else None, published.SECONDS[name]
  for task, printed in published.TASK_SECONDS.items():
    lengths[task] = task_seconds(statistics, task), printed
  for name, (mean, printed) in lengths.items():
    mean = None if mean is None else round(mean, 1)
    cells.append(Cell(4, name, "seconds", "all", mean, printed))
  for name, table in published.EMOTION_TABLES.items():
    cells += _compare_emotions(name, table, statistics.get(name))
  return cells


def _number(value: float | None) -> str:
  if value is None:
    return "-"
  return f"{value:.1f}" if isinstance(value, float) else str(value)


def _notes(cells: Sequence[Cell]) -> list[str]:
  """A line per reason of differences, and one for those without a reason."""
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
