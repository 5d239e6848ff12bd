"""Pictures as SVG and HTML text: no plotting library, no network."""

import html
from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT, _MARGIN = 640, 220, 44  # px
# Distinguishable in grey and by colour-blind readers (Okabe and Ito 2008).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


def line_chart(
  title: str, series: Mapping[str, Sequence[tuple[float, float]]]
) -> str:
  """An SVG chart of named (step, value) curves.

  Returns:
    The <figure>; a sentence instead of it where there is no point to draw.
  """
  points = [point for curve in series.values() for point in curve]
  if not points:
    return f"<p>{html.escape(title)}: nothing was recorded.</p>"
  low_x, high_x = _range([x for x, _ in points])
  low_y, high_y = _range([y for _, y in points])

  def place(x: float, y: float) -> str:
    across = (x - low_x) / (high_x - low_x) * (_WIDTH - 2 * _MARGIN)
    up = (y - low_y) / (high_y - low_y) * (_HEIGHT - 2 * _MARGIN)
    return f"{_MARGIN + across:.1f},{_HEIGHT - _MARGIN - up:.1f}"

  parts = []
  for number, (name, curve) in enumerate(series.items()):
    colour = _COLOURS[number % len(_COLOURS)]
    path = " ".join(place(x, y) for x, y in curve)
    parts.append(
      f'<polyline points="{path}" fill="none" stroke="{colour}" '
      'stroke-width="2"/>'
    )
    parts.append(
      f'<text x="{_MARGIN + 150 * number}" y="16" fill="{colour}">'
      f"{html.escape(name)}</text>"
    )
  bottom = _HEIGHT - _MARGIN + 18
  parts += [
    f'<text x="{_MARGIN}" y="{bottom}">step {low_x:.0f}</text>',
    f'<text x="{_WIDTH - _MARGIN}" y="{bottom}" text-anchor="end">'
    f"{high_x:.0f}</text>",
    f'<text x="4" y="{_HEIGHT - _MARGIN}">{low_y:.2f}</text>',
    f'<text x="4" y="{_MARGIN}">{high_y:.2f}</text>',
  ]
  label = html.escape(title)
  return (
    f'<figure><figcaption>{label}</figcaption><svg role="img" '
    f'aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
    f"{''.join(parts)}</svg></figure>"
  )


def _range(values: Sequence[float]) -> tuple[float, float]:
  low, high = min(values), max(values)
  return (low, high) if high > low else (low - 0.5, high + 0.5)


def confusion_table(
  title: str, classes: Sequence[str], counts: Sequence[Sequence[int]]
) -> str:
  """Rows are the truth, columns what was predicted; darker is more.

  Args:
    title: of the table.
    classes: C names.
    counts: C rows of C + 1 counts, the last of predictions outside.
  """
  columns = [*classes, "other"]
  head = "".join(
    f'<th scope="col">{html.escape(name)}</th>' for name in columns
  )
  rows = []
  for name, row in zip(classes, counts, strict=True):
    total = max(sum(row), 1)
    cells = "".join(
      f'<td style="--share:{count / total:.2f}">{count}</td>' for count in row
    )
    rows.append(f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>')
  return (
    f'<div class="wide"><table class="confusion"><caption>{html.escape(title)}'
    f'</caption><thead><tr><th scope="col">true \\ predicted</th>{head}</tr>'
    f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
  )
