"""What the paper prints of Tables 2 and 3, and what came after it.

published.json holds the rows, the columns and the notes.
"""

import dataclasses
import functools
import importlib.resources
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unimse_jax.tables.scores import (
  BY_NAME,
  EMOTION,
  INTENSITY,
  Score,
  is_annotated,
)

UNIMSE = "UniMSE (paper)"


@dataclasses.dataclass(frozen=True)
class Column:
  """A column of the paper's tables.

  Attributes:
    key: name in published.json.
    title: heading.
    scores: one, or the two conventions that share a cell: "85.85/86.90".
  """

  key: str
  title: str
  scores: tuple[Score, ...]

  def cell(self, form: Callable[[Score], str], joint: str = "/") -> str:
    """A cell in the paper's manner: ".691", "48.68", "85.85/86.90".

    Args:
      form: text of one score, "-" where there is none.
      joint: text between the two conventions.
    """
    # The paper leaves out the nought of numbers that are no percentages.
    parts = [
      re.sub(r"(?<![\d.])0(?=\.\d{3})", "", form(each)) for each in self.scores
    ]
    return "-" if set(parts) == {"-"} else joint.join(parts)


@functools.cache
def load() -> Mapping[str, Any]:
  """The content of published.json."""
  file = importlib.resources.files(__package__) / "published.json"
  return json.loads(file.read_text(encoding="utf-8"))


def corpora() -> tuple[str, ...]:
  """The corpora of Table 2."""
  return tuple(load()["table2"]["columns"])


def columns(corpus: str) -> tuple[Column, ...]:
  """The columns of a corpus in Table 2."""
  return _columns(load()["table2"]["columns"][corpus])


def table3_columns() -> tuple[Column, ...]:
  """The columns of Table 3."""
  return _columns(load()["table3"]["columns"])


def columns_of(scores: Mapping[str, Any]) -> tuple[Column, ...]:
  """The columns for a corpus that is not in Table 2, by what it annotates."""
  chosen: tuple[Column, ...] = ()
  for task, like in ((INTENSITY, "mosi"), (EMOTION, "meld")):
    if is_annotated(task, scores):
      chosen += columns(like)
  return chosen


def unimse_scores(corpus: str) -> dict[str, str]:
  """score -> what Table 2 prints of UniMSE; empty for another corpus."""
  if corpus not in corpora():
    return {}
  rows = load()["table2"]["rows"]
  cells = next(row["cells"] for row in rows if row["name"] == UNIMSE)[corpus]
  printed = {}
  for column in columns(corpus):
    parts = cells[column.key].split("/")
    names = [score.name for score in column.scores]
    printed |= dict(zip(names, parts, strict=True))
  return printed


def _columns(keys: Sequence[str]) -> tuple[Column, ...]:
  pairs = load()["pairs"]
  made = []
  for key in keys:
    names = pairs[key]["scores"] if key in pairs else (key,)
    scores = tuple(BY_NAME[name] for name in names)
    title = pairs[key]["title"] if key in pairs else scores[0].title
    made.append(Column(key, title, scores))
  return tuple(made)
