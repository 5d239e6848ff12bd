"""Tables for the terminal."""

from collections.abc import Iterable


def format_table(
  header: Iterable[str], rows: Iterable[Iterable[object]]
) -> str:
  """Lays out a table: the first column left-aligned, the others right."""
  cells = [[str(each) for each in row] for row in (header, *rows)]
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  return "\n".join(
    "  ".join(
      each.rjust(width) if place else each.ljust(width)
      for place, (each, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in cells
  )
