"""A section of the report: its heading, and tables and pictures below it."""

import dataclasses
import html
from collections.abc import Sequence

from unimse_jax.reporting.charts import Chart
from unimse_jax.reporting.tables import Block

# Of the corpus's task: the score that it is judged by.
PRIMARY = (("mae", "MAE", 1), ("wf1", "WF1", 100))


@dataclasses.dataclass(frozen=True)
class Gallery:
  """Charts side by side where there is room; "large" ones need more."""

  charts: Sequence[Chart | str]
  kind: str = ""

  def html(self) -> str:
    inside = "".join(
      each.html() if isinstance(each, Chart) else each for each in self.charts
    )
    return f'<div class="{f"charts {self.kind}".strip()}">{inside}</div>'


@dataclasses.dataclass(frozen=True)
class Section:
  """Attributes:
  slug: its anchor in the page.
  title: its heading.
  parts: tables, pictures, and HTML.
  """

  slug: str
  title: str
  parts: Sequence[Block | Gallery | str]

  @property
  def blocks(self) -> list[Block]:
    return [part for part in self.parts if isinstance(part, Block)]

  @property
  def charts(self) -> list[Chart]:
    return [
      chart
      for part in self.parts
      if isinstance(part, Gallery)
      for chart in part.charts
      if isinstance(chart, Chart)
    ]


def paragraph(text: str) -> str:
  return f"<p>{html.escape(text)}</p>"


def how_to(missing: str, command: str) -> str:
  """What is not there, and the command that makes it."""
  return (
    f"<p>{html.escape(missing)} Run <code>{html.escape(command)}</code>, then "
    "this report again.</p>"
  )


def primary(scores) -> list[tuple[str, str, int]]:
  """(score, heading, factor) that a corpus is judged by: one or two."""
  return [each for each in PRIMARY if scores.get(each[0]) is not None]
