"""A table as text, Markdown, LaTeX, CSV and HTML.

A cell is text: whatever it holds (a label, an utterance) stays text in every
format.
"""

import csv
import html
import io
import re
from collections.abc import Sequence

from unimse_jax.tables.table import Table

# A table with more takes smaller letters, to fit 1,280 pixels.
_MANY_COLUMNS = 9
_MARKS = re.compile(r" \[([a-z, ]+)\]$")
_NUMBER = re.compile(r"^[-+.]?\d|^-($|/)")
# The interval after a value: it goes below it.
_INTERVAL = re.compile(r" (\([-+.\d]+ to [-+.\d]+\))$")
_LATEX = {
  "\\": r"\textbackslash{}",
  **{letter: f"\\{letter}" for letter in "&%$#_{}"},
  "[": "{[}",  # after \\ a bracket or an asterisk would be an option of it
  "]": "{]}",
  "*": "{*}",
  "~": r"\textasciitilde{}",
  "^": r"\textasciicircum{}",
  "±": r"$\pm$",
  "≤": r"$\le$",
  "≥": r"$\ge$",
  "←": r"$\leftarrow$",
  "−": "$-$",
  "–": "--",
}
# What a \label may hold without harm.
_LABEL = re.compile(r"[^\w:.-]", re.ASCII)
_MARKDOWN = re.compile(r"([\\`*_|<>\[\]])")


# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HARMLESS = re.compile(r"[-+\d./() %±to]*")


def to_text(table: Table) -> str:
  """For the terminal: the first column is aligned left, the others right."""
  columns = max(map(len, table.rows))
  widths = [
    max((len(row[i]) for row in table.rows if i < len(row) > 1), default=0)
    for i in range(columns)
  ]
  lines = [table.title] if table.title else []
  for first, *rest in table.rows:
    cells = [first.ljust(widths[0])]
    cells += [
      cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=False)
    ]
    lines.append("  " + "  ".join(cells).rstrip())
  lines += [f"  [{mark}] {note}" for mark, note in table.notes.items()]
  return "\n".join(lines)


def _split_marks(table: Table, cell: str) -> tuple[str, str]:
  """("86.9", "a") of "86.9 [a]"; an utterance may end in "[laughs]"."""
  marks = _MARKS.search(cell)
  if not marks or not table.notes.keys() >= set(marks[1].split(", ")):
    return cell, ""
  return cell[: marks.start()], marks[1]


def _is_text_column(table: Table, column: int) -> bool:
  """Whether a column holds words: those are aligned left."""
  cells = [row[column] for row in table.rows[1:] if len(row) > 1]
  return any(cell and not _NUMBER.match(cell) for cell in cells)


def to_html(table: Table) -> str:
  """A table in a box that scrolls sideways by itself, its notes below it."""
  head, *rows = table.rows
  words = [_is_text_column(table, column) for column in range(len(head))]
  columns = "".join(
    f'<th scope="col"{_left(word)}>{html.escape(cell)}</th>'
    for cell, word in zip(head, words, strict=True)
  )
  body = []
  for row in rows:
    if len(row) == 1:
      body.append(
        f'<tr><th class="group" scope="rowgroup" colspan="{len(head)}">'
        f"{html.escape(row[0])}</th></tr>"
      )
      continue
    shades = _shades(row[1:]) if table.shaded else [""] * len(head)
    cells = "".join(
      f"<td{_left(word)}{shade}>{_html_cell(table, cell)}</td>"
      for cell, word, shade in zip(row[1:], words[1:], shades, strict=False)
    )
    body.append(
      f'<tr><th scope="row">{_html_cell(table, row[0])}</th>{cells}</tr>'
    )
  title = html.escape(table.title)
  wide = table.spans or len(head) > _MANY_COLUMNS
  name = "shaded" if table.shaded else "dense" if wide else ""
  kind = f' class="{name}"' if name else ""
  return (
    '<div class="block">'
    f'<div class="wide" role="region" aria-label="{title}" tabindex="0">'
    f"<table{kind}><caption>{title}</caption><thead>{_html_spans(table)}"
    f"<tr>{columns}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    f"{_html_notes(table)}</div>"
  )


def _shades(cells: Sequence[str]) -> list[str]:
  total = max(sum(map(int, cells)), 1)
  return [f' style="--share:{int(cell) / total:.2f}"' for cell in cells]


def _left(word: bool) -> str:
  return ' class="words"' if word else ""


def _html_cell(table: Table, cell: str) -> str:
  text, marks = _split_marks(table, cell)
  raised = f"<sup>{html.escape(marks)}</sup>" if marks else ""
  interval = _INTERVAL.search(text)
  if not interval:
    return html.escape(text) + raised
  value = html.escape(text[: interval.start()])
  return f'{value}{raised} <span class="interval">{interval[1]}</span>'


def _html_spans(table: Table) -> str:
  if not table.spans:
    return ""
  cells = "".join(
    f'<th scope="colgroup" colspan="{count}">{html.escape(heading)}</th>'
    for heading, count in table.spans
  )
  return f"<tr>{cells}</tr>"


def _html_notes(table: Table) -> str:
  notes = "".join(
    f"<li><sup>{mark}</sup> {html.escape(note)}</li>"
    for mark, note in table.notes.items()
  )
  return f'<ul class="notes">{notes}</ul>' if notes else ""


def _flat_head(table: Table) -> list[str]:
  """The head with the heading above each column in front of it."""
  above = [name for name, count in table.spans for _ in range(count)]
  head = table.rows[0]
  above = above or [""] * len(head)
  return [f"{a} {b}".strip() for a, b in zip(above, head, strict=True)]


def to_markdown(table: Table) -> str:
  """A table of GitHub's Markdown."""
  head = _flat_head(table)
  lines = [f"**{_plain(table.title)}**", ""]
  lines.append(f"| {' | '.join(map(_plain, head))} |")
  sides = (
    ":--" if _is_text_column(table, column) or not column else "--:"
    for column in range(len(head))
  )
  lines.append(f"| {' | '.join(sides)} |")
  for row in table.rows[1:]:
    if len(row) == 1:
      row = (f"**{_plain(row[0])}**", *[""] * (len(head) - 1))
      lines.append(f"| {' | '.join(row)} |")
    else:
      cells = (_markdown_cell(table, cell) for cell in row)
      lines.append(f"| {' | '.join(cells)} |")
  if table.notes:
    notes = (f"{mark}: {_plain(note)}" for mark, note in table.notes.items())
    lines += ["", *(f"- {note}" for note in notes)]
  return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
  """Text that Markdown leaves as it is, on one line."""
  return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _markdown_cell(table: Table, cell: str) -> str:
  text, marks = _split_marks(table, cell)
  return _plain(text) + (f" <sup>{marks}</sup>" if marks else "")


def to_latex(table: Table) -> str:
  """A table environment for the package booktabs."""
  head = table.rows[0]
  sides = "".join(
    "l" if _is_text_column(table, column) or not column else "r"
    for column in range(len(head))
  )
  lines = [
    "% \\usepackage{booktabs}",
    "\\begin{table}",
    "\\centering",
    f"\\caption{{{_escape_latex(table.title)}}}",
    f"\\label{{tab:{_LABEL.sub('-', table.slug)}}}",
    f"\\begin{{tabular}}{{{sides}}}",
    "\\toprule",
  ]
  if table.spans:
    lines += _latex_spans(table.spans)
  lines += [f"{_latex_row(table, head)}", "\\midrule"]
  for number, row in enumerate(table.rows[1:]):
    if len(row) == 1:
      lines += ["\\midrule"] if number else []
      text = _escape_latex(row[0])
      lines.append(
        f"\\multicolumn{{{len(head)}}}{{l}}{{\\emph{{{text}}}}} \\\\"
      )
    else:
      lines.append(_latex_row(table, row))
  lines += ["\\bottomrule", "\\end{tabular}"]
  for mark, note in table.notes.items():
    lines.append(f"\\\\ {{\\footnotesize $^{{{mark}}}$ {_escape_latex(note)}}}")
  return "\n".join([*lines, "\\end{table}"]) + "\n"


def _latex_spans(spans: Sequence[tuple[str, int]]) -> list[str]:
  cells, rules, first = [], [], 1
  for heading, count in spans:
    cells.append(f"\\multicolumn{{{count}}}{{c}}{{{_escape_latex(heading)}}}")
    last = first + count - 1
    if heading:
      rules.append(f"\\cmidrule(lr){{{first}-{last}}}")
    first = last + 1
  return [" & ".join(cells) + r" \\", " ".join(rules)]


def _latex_row(table: Table, row: Sequence[str]) -> str:
  cells = []
  for cell in row:
    text, marks = _split_marks(table, cell)
    raised = f"$^{{{marks}}}$" if marks else ""
    cells.append(_escape_latex(text) + raised)
  return " & ".join(cells) + r" \\"


def _escape_latex(text: str) -> str:
  one_line = " ".join(text.split())  # an empty line would end the row
  return "".join(_LATEX.get(letter, letter) for letter in one_line)


def to_csv(table: Table) -> str:
  """Comma-separated values; what marks say is a column at the end.

  A cell that a spreadsheet would run as a formula gets an apostrophe in front.
  """
  file = io.StringIO()
  writer = csv.writer(file, lineterminator="\n")
  head = ("group", *_flat_head(table), "marks")
  writer.writerow(map(_disarm, head))
  group = ""
  for row in table.rows[1:]:
    if len(row) == 1:
      group = row[0]
      continue
    parts = [_split_marks(table, cell) for cell in row]
    cells = (group, *(text for text, _ in parts), _name_marks(table, row))
    writer.writerow(map(_disarm, cells))
  return file.getvalue()


def _disarm(cell: str) -> str:
  is_formula = cell.startswith(_FORMULA) and not _HARMLESS.fullmatch(cell)
  return f"'{cell}" if is_formula else cell


def _name_marks(table: Table, row: Sequence[str]) -> str:
  """ "note (column, column); note" of the marked cells of a row."""
  columns: dict[str, list[str]] = {}
  for name, cell in zip(_flat_head(table), row, strict=True):
    for mark in filter(None, _split_marks(table, cell)[1].split(", ")):
      columns.setdefault(table.notes[mark], []).append(name)
  return "; ".join(
    f"{note} ({', '.join(names)})" if any(names) else note
    for note, names in columns.items()
  )


# Ending of the file -> writer, of the files beside a report.
WRITERS = {"md": to_markdown, "tex": to_latex, "csv": to_csv}
