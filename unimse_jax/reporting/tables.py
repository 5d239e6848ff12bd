"""Score tables for the terminal: fractions in, percentages out."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

_INTENSITY = (
  ("MAE", "mae", 1),
  ("Corr", "corr", 1),
  ("ACC-7", "acc7", 100),
  ("ACC-5", "acc5", 100),
  ("ACC-2 has0", "acc2_has0", 100),
  ("ACC-2 non0", "acc2_non0", 100),
  ("F1 has0", "f1_has0", 100),
  ("F1 non0", "f1_non0", 100),
)
_EMOTION = (
  ("ACC", "acc", 100),
  ("WF1", "wf1", 100),
  ("macro F1", "macro_f1", 100),
)


@dataclasses.dataclass(frozen=True)
class Block:
  """A table: its title, and rows of cells, the first row being the head."""

  title: str
  rows: tuple[tuple[str, ...], ...]

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


def _cell(value: float | None, factor: int) -> str:
  if value is None:
    return "-"
  return f"{value * factor:.2f}" if factor > 1 else f"{value:.3f}"


def _block(
  title: str,
  columns: Sequence[tuple[str, str, int]],
  rows: Mapping[str, Mapping[str, Any]],
) -> Block:
  head = ("", *(name for name, _, _ in columns))
  body = tuple(
    (name, *(_cell(scores.get(key), factor) for _, key, factor in columns))
    for name, scores in rows.items()
  )
  return Block(title, (head, *body))


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
    constant = scores["constant_sentiment"]
    rows = {"model": scores, "always train median": constant}
    blocks.append(_block(title, _INTENSITY, rows))
  if "wf1" in scores:
    title = (
      f"{name}, {split}: emotion ({len(scores['per_class'])} classes), "
      f"N = {scores['n_emotion']}, malformed {scores['malformed']}"
    )
    constant = scores["constant_emotion"]
    rows = {"model": scores, "always train majority": constant}
    blocks.append(_block(title, _EMOTION, rows))
  return blocks


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
  """Every corpus of a results file as text."""
  blocks = [
    block.text()
    for name, scores in results["corpora"].items()
    for block in corpus_blocks(name, split, scores)
  ]
  return "\n\n".join([*blocks, decoding_line(results["decoding"])])
