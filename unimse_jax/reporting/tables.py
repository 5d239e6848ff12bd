"""Score tables: fractions in, percentages out."""

import dataclasses
import string
from collections.abc import Mapping, Sequence
from typing import Any

# Heading, score, factor of the printed number.
Column = tuple[str, str, int]
INTENSITY: tuple[Column, ...] = (
  ("MAE", "mae", 1),
  ("Corr", "corr", 1),
  ("ACC-7", "acc7", 100),
  ("ACC-5", "acc5", 100),
  ("ACC-2 has0", "acc2_has0", 100),
  ("ACC-2 non0", "acc2_non0", 100),
  ("F1 has0", "f1_has0", 100),
  ("F1 non0", "f1_non0", 100),
)
EMOTION: tuple[Column, ...] = (
  ("ACC", "acc", 100),
  ("WF1", "wf1", 100),
  ("macro F1", "macro_f1", 100),
)
COLUMNS = INTENSITY + EMOTION


@dataclasses.dataclass(frozen=True)
class Block:
  """A table.

  Attributes:
    title: what it shows.
    rows: cells, the first row being the head. A row of one cell parts the
      rows below it from those above and names them. A cell may end in marks
      of notes: "86.9 [a]" or "86.9 [a, b]".
    slug: the name of its files in the report folder; none where empty.
    spans: (heading, columns) above the head, from left to right.
    notes: mark -> what it says.
    shaded: cells are counts, and darker by their share of the row.
  """

  title: str
  rows: tuple[tuple[str, ...], ...]
  slug: str = ""
  spans: tuple[tuple[str, int], ...] = ()
  notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
  shaded: bool = False

  def text(self) -> str:
    """For the terminal; the first column is aligned left."""
    widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
    lines = [self.title]
    for first, *rest in self.rows:
      cells = [first.ljust(widths[0])]
      cells += [
        cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)
      ]
      lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


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
    found = sorted({self._letters[note] for note in notes})
    return f"{cell} [{', '.join(found)}]"

  @property
  def by_letter(self) -> dict[str, str]:
    return {letter: note for note, letter in self._letters.items()}


def _letter(number: int) -> str:
  letters = string.ascii_lowercase
  return letters[number] if number < 26 else "z" + _letter(number - 26)


def format_score(value: float | None, factor: int, sign: str = "") -> str:
  """A score as the field prints it: 0.691, 48.68; "-" where there is none.

  Args:
    value: a fraction, or a value on the intensity's scale.
    factor: 100 for a percentage, else 1.
    sign: "+" prints the sign of positive numbers too.
  """
  if value is None:
    return "-"
  places = ".2f" if factor > 1 else ".3f"
  return f"{value * factor:{sign}{places}}"


def score_block(
  title: str,
  columns: Sequence[Column],
  rows: Mapping[str, Mapping[str, Any]],
  slug: str = "",
) -> Block:
  """A table of scores; a row that lacks one shows "-"."""
  head = ("", *(name for name, _, _ in columns))
  body = tuple(
    (
      name,
      *(format_score(scores.get(key), factor) for _, key, factor in columns),
    )
    for name, scores in rows.items()
  )
  return Block(title, (head, *body), slug)


def _with_interval(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
  """The model's row and, where eval stored them, the ends of its intervals."""
  intervals = scores.get("intervals")
  if not intervals:
    return {"model": scores}
  low = {name: ends[0] for name, ends in intervals.items()}
  high = {name: ends[1] for name, ends in intervals.items()}
  return {
    "model": scores,
    "  95 % interval, from": low,
    "  95 % interval, to": high,
  }


def corpus_blocks(
  name: str, split: str, scores: Mapping[str, Any]
) -> list[Block]:
  """One corpus: its scores beside those of a constant predictor, with N."""
  blocks = []
  if "mae" in scores:
    title = (
      f"{name}, {split}: intensity, N = {scores['n_intensity']} "
      f"({scores['n_non0']} non-zero), malformed {scores['malformed']}"
    )
    constant = {"always train median": scores["constant_sentiment"]}
    rows = _with_interval(scores) | constant
    slug = f"scores_{split}_{name}_intensity"
    blocks.append(score_block(title, INTENSITY, rows, slug))
  if "wf1" in scores:
    title = (
      f"{name}, {split}: emotion ({len(scores['per_class'])} classes), "
      f"N = {scores['n_emotion']}, malformed {scores['malformed']}"
    )
    constant = {"always train majority": scores["constant_emotion"]}
    rows = _with_interval(scores) | constant
    slug = f"scores_{split}_{name}_emotion"
    blocks.append(score_block(title, EMOTION, rows, slug))
  if "six_classes" in scores:
    blocks.append(_six_class_block(name, split, scores))
  return blocks


def _six_class_block(name: str, split: str, scores: Mapping[str, Any]) -> Block:
  """MELD without its neutral utterances beside all seven classes (D38)."""
  six = scores["six_classes"]
  rows = {
    f"7 classes, N = {scores['n_emotion']}": scores,
    "always train majority": scores["constant_emotion"],
    f"6 classes, N = {six['n']}": six,
    "always train majority of the 6": six.get("constant_emotion", {}),
  }
  title = f"{name}, {split}: with and without neutral utterances"
  return score_block(title, EMOTION, rows, f"scores_{split}_{name}_six")


def decoding_line(decoding: Mapping[str, Any]) -> str:
  """How much of the output was legal, how much it varied, and warnings."""
  line = (
    f"decoded {decoding['n']} utterances: {decoding['malformed_outputs']} "
    f"malformed ({decoding['malformed']}, "
    f"{100 * decoding['malformed_rate']:.2f} %, without the grammar), "
    f"{decoding['distinct_outputs']} distinct outputs"
  )
  return "\n".join([line, *decoding["collapse"]["warnings"]])


def results_table(results: Mapping[str, Any], split: str) -> str:
  """Every corpus of a results file as text, and how the scores came about."""
  blocks = [
    block.text()
    for name, scores in results["corpora"].items()
    for block in corpus_blocks(name, split, scores)
  ]
  parts = [*blocks, decoding_line(results["decoding"])]
  if "test_openings" in results:
    parts.append(f"Test split opened: {results['test_openings']} time(s)")
  return "\n\n".join(parts)
