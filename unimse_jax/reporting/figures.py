"""A chart as an SVG file of its own, for papers and READMEs."""

import html
import re
import textwrap

from unimse_jax.reporting import style
from unimse_jax.reporting.charts import LETTER, Chart

_MARGIN = 12  # px on every side: numbers at an axis' end stand out a little
_LINE = 18  # px of a line of the title or the legend
_BOLD = 7.6  # px, about the width of a letter of the title
# What XML has no way to write; an utterance may hold it.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_svg(chart: Chart) -> str:
  """The chart with its title and legend, in light colours on opaque white.

  Nothing in it points outside: styles are inlined, fonts are the system's.
  """
  title = textwrap.wrap(chart.title, int(chart.width / _BOLD))
  rows = _legend_rows(chart)
  top = _LINE * (len(title) + len(rows)) + 6
  width, height = chart.width + 2 * _MARGIN, chart.height + top + 2 * _MARGIN
  lines = "".join(
    f'<text x="{_MARGIN}" y="{_MARGIN + _LINE * number + 12}" '
    f'font-weight="600">{html.escape(line)}</text>'
    for number, line in enumerate(title)
  )
  legend = "".join(
    f'<g transform="translate({_MARGIN + x:.0f} {y})">{sample}'
    f'<text x="30" y="10">{html.escape(name)}</text></g>'
    for number, row in enumerate(rows)
    for y in [_MARGIN + _LINE * (len(title) + number) + 2]
    for x, name, sample in row
  )
  text = (
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
    f'height="{height}" viewBox="0 0 {width} {height}" role="img">'
    f"<title>{html.escape(chart.title)}</title>"
    f"<desc>{html.escape(chart.summary)}</desc>"
    f"<style>{style.chart_sheet()}</style>"
    f'<rect width="100%" height="100%" fill="{style.LIGHT["page"]}"/>'
    f"{lines}{legend}"
    f'<g transform="translate({_MARGIN} {_MARGIN + top})">'
    f"{''.join(chart.parts)}</g></svg>\n"
  )
  return _NO_XML.sub("\ufffd", text)


def _legend_rows(chart: Chart) -> list[list[tuple[float, str, str]]]:
  """Lines of (x, name, sample), as many to a line as have room."""
  rows, x = [], chart.width
  for name, sample in chart.legend:
    wide = 30 + len(name) * LETTER + 16
    if x + wide > chart.width:
      rows.append([])
      x = 0
    rows[-1].append((x, name, sample))
    x += wide
  return rows
