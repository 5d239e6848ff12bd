"""A section of the report: its heading, and tables and pictures below it."""

import dataclasses
import html
from collections.abc import Sequence

from unimse_jax.reporting.charts import Chart
from unimse_jax.tables.table import Table


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
  slug: anchor in the page.
  title: heading.
  parts: tables, pictures, and HTML.
  """

  slug: str
  title: str
  parts: Sequence[Table | Gallery | str]

  @property
  def tables(self) -> list[Table]:
    return [part for part in self.parts if isinstance(part, Table)]

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
