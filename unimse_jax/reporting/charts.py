"""Pictures as SVG and HTML text: no plotting library, no network.

Colours are classes (k0, k1, ...) that the page's style defines for light and
dark; what a colour says, a shape or a dash says too.
"""

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence

KINDS = 6  # colours, dashes and shapes before they repeat
_WIDTH, _HEIGHT = 360, 250  # px: drawn about as large on a phone
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 38  # px round the plot
LETTER = 6.6  # px, about the width of a letter of 12 px
_ROW = 24  # px of a line of a bar or interval chart

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class _Frame:
  """The plot's box in px and the values that it spans."""

  xs: tuple[float, float]
  ys: tuple[float, float]
  width: int = _WIDTH
  height: int = _HEIGHT
  left: float = _LEFT
  top: float = _TOP

  def x(self, value: float) -> float:
    low, high = self.xs
    share = (value - low) / (high - low)
    return self.left + share * (self.width - self.left - _RIGHT)

  def y(self, value: float) -> float:
    low, high = self.ys
    share = (value - low) / (high - low)
    return self.height - _BOTTOM - share * (self.height - self.top - _BOTTOM)

  def axes(self, x_label: str, y_label: str) -> str:
    """Grid, numbers and what the axes are."""
    parts = [self.x_axis(x_label)]
    for value in ticks(*self.ys):
      at = self.y(value)
      parts.append(
        f'<line class="grid" x1="{self.left}" x2="{self.width - _RIGHT}" '
        f'y1="{at:.1f}" y2="{at:.1f}"/><text x="{self.left - 5}" '
        f'y="{at + 4:.1f}" text-anchor="end">{_number(value)}</text>'
      )
    middle = (self.top + self.height - _BOTTOM) / 2
    parts.append(
      f'<text transform="translate(11 {middle:.0f}) rotate(-90)" '
      f'text-anchor="middle">{html.escape(y_label)}</text>'
    )
    return "".join(parts)

  def x_axis(self, label: str) -> str:
    """The grid, numbers and name of x alone."""
    parts = []
    bottom, right = self.height - _BOTTOM, self.width - _RIGHT
    for value in ticks(*self.xs):
      at = f"{self.x(value):.1f}"
      parts.append(
        f'<line class="grid" x1="{at}" x2="{at}" y1="{self.top}" '
        f'y2="{bottom}"/><text x="{at}" y="{bottom + 15}" '
        f'text-anchor="middle">{_number(value)}</text>'
      )
    parts.append(
      f'<text x="{(self.left + right) / 2:.0f}" y="{self.height - 6}" '
      f'text-anchor="middle">{html.escape(label)}</text>'
    )
    return "".join(parts)


def ticks(low: float, high: float) -> list[float]:
  """Three to eight round numbers from low to high, low < high."""
  step = 10 ** math.floor(math.log10((high - low) / 3))
  for factor in (1, 2, 5, 10):
    if (high - low) / (factor * step) <= 7:
      step *= factor
      break
  first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
  return [number * step for number in range(first, last + 1)]


def _number(value: float) -> str:
  if abs(value) >= 10000:
    return f"{value / 1000:g}k"
  return f"{value:.6g}".replace("-", "−")


def _range(values: Sequence[float]) -> tuple[float, float]:
  low, high = min(values), max(values)
  if high > low:
    return low, high
  edge = abs(low) / 10 or 0.5
  return low - edge, high + edge


@dataclasses.dataclass(frozen=True)
class Chart:
  """A picture that has not been written yet.

  Attributes:
    slug: name of its file.
    title: caption; with `summary`, what a screen reader says.
    parts: SVG elements.
    width, height: size of the picture, px.
    legend: (name, SVG of its sample in 24 px by 12 px).
    summary: description for readers who cannot see the picture.
  """

  slug: str
  title: str
  parts: Sequence[str]
  width: int
  height: int
  legend: Sequence[tuple[str, str]] = ()
  summary: str = ""

  def html(self) -> str:
    """A <figure>, for a page with `style.sheet`."""
    entries = "".join(
      f'<li><svg class="key" viewBox="0 0 24 12" aria-hidden="true">{sample}'
      f"</svg>{html.escape(name)}</li>"
      for name, sample in self.legend
    )
    words = f"{self.title}. {self.summary}" if self.summary else self.title
    return (
      f"<figure><figcaption>{html.escape(self.title)}</figcaption>"
      + (f'<ul class="legend">{entries}</ul>' if entries else "")
      + f'<svg class="chart" role="img" aria-label="{html.escape(words)}" '
      f'viewBox="0 0 {self.width} {self.height}">{"".join(self.parts)}</svg>'
      "</figure>"
    )


def missing(title: str, why: str) -> str:
  """A sentence in the place of a picture."""
  return f"<p>{html.escape(title)}: {html.escape(why)}</p>"


def line_chart(
  slug: str,
  title: str,
  series: Mapping[str, Sequence[Point]],
  y_label: str = "",
  mark: float | None = None,
  x_label: str = "step",
) -> Chart | str:
  """Named (x, y) curves; `mark` is a step that is pointed out.

  Returns:
    A sentence instead of the chart where there is no point to draw.
  """
  points = [point for curve in series.values() for point in curve]
  if not points:
    return missing(title, "nothing was recorded.")
  frame = _Frame(_range([x for x, _ in points]), _range([y for _, y in points]))
  parts = [frame.axes(x_label, y_label)]
  if mark is not None and frame.xs[0] <= mark <= frame.xs[1]:
    at = f"{frame.x(mark):.1f}"
    parts.append(
      f'<line class="mark" x1="{at}" x2="{at}" y1="{_TOP}" '
      f'y2="{_HEIGHT - _BOTTOM}"><title>selected: step {mark:.0f}</title>'
      "</line>"
    )
  legend, words = [], []
  for number, (name, curve) in enumerate(series.items()):
    kind = number % KINDS
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in curve)
    if len(curve) == 1:
      parts.append(_shape(kind, *map(float, path.split(",")), name))
    parts.append(f'<polyline class="line k{kind} d{kind}" points="{path}"/>')
    sample = f'<polyline class="line k{kind} d{kind}" points="1,6 23,6"/>'
    if len(series) > 1:
      legend.append((name, sample))
    words.append(f"{name} from {curve[0][1]:.3g} to {curve[-1][1]:.3g}")
  return Chart(slug, title, parts, _WIDTH, _HEIGHT, legend, "; ".join(words))


def _shape(kind: int, x: float, y: float, hover: str, radius: float = 4) -> str:
  """A disc, ring, triangle, square, diamond or dash, with its hover text."""
  r = radius
  title = f"<title>{html.escape(hover)}</title>" if hover else ""
  if kind < 2:
    name = ("dot", "ring")[kind]
    return (
      f'<circle class="{name} k{kind}" cx="{x:.1f}" cy="{y:.1f}" '
      f'r="{r - kind / 2}">{title}</circle>'
    )
  outline = {
    2: f"M{x:.1f} {y - r:.1f}l{r} {1.8 * r:.1f}h{-2 * r}z",
    3: f"M{x - r:.1f} {y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}z",
    4: f"M{x:.1f} {y - r:.1f}l{r} {r}l{-r} {r}l{-r} {-r}z",
    5: f"M{x - r:.1f} {y - 1:.1f}h{2 * r}v2h{-2 * r}z",
  }[kind]
  return f'<path class="dot k{kind}" d="{outline}">{title}</path>'


def scatter_chart(
  slug: str,
  title: str,
  groups: Mapping[str, Sequence[tuple[float, float, str]]],
  labels: tuple[str, str] = ("", ""),
  bounds: tuple[float, float] | None = None,
  summary: str = "",
) -> Chart | str:
  """Points (x, y, hover text), each group with its colour and shape.

  Args:
    slug: name of its file.
    title: caption.
    groups: name -> points.
    labels: names of the two axes.
    bounds: range of both axes; the diagonal is then drawn.
    summary: description in words.
  """
  points = [point for group in groups.values() for point in group]
  if not points:
    return missing(title, "there is no point to draw.")
  frame = _Frame(
    bounds or _padded([x for x, _, _ in points]),
    bounds or _padded([y for _, y, _ in points]),
    height=_WIDTH - 20,
  )
  parts = [frame.axes(*labels)]
  if bounds:
    parts.append(_diagonal(frame))
  legend = []
  for number, (name, group) in enumerate(groups.items()):
    kind = number % KINDS
    parts += [
      _shape(kind, frame.x(x), frame.y(y), hover, 3) for x, y, hover in group
    ]
    legend.append((f"{name} ({len(group)})", _shape(kind, 12, 6, "")))
  legend = legend if len(groups) > 1 else []
  return Chart(slug, title, parts, frame.width, frame.height, legend, summary)


def _padded(values: Sequence[float]) -> tuple[float, float]:
  low, high = _range(values)
  edge = 0.04 * (high - low)
  return low - edge, high + edge


def _diagonal(frame: _Frame) -> str:
  low, high = frame.xs
  return (
    f'<line class="mark" x1="{frame.x(low):.1f}" y1="{frame.y(low):.1f}" '
    f'x2="{frame.x(high):.1f}" y2="{frame.y(high):.1f}"/>'
  )


def reliability_chart(
  slug: str, title: str, bins: Sequence[Mapping], summary: str
) -> Chart | str:
  """Accuracy over confidence; a bar for each bin that holds predictions."""
  filled = [each for each in bins if each["count"]]
  if not filled:
    return missing(title, "there is no prediction with probabilities.")
  frame = _Frame((0, 1), (0, 1))
  parts = [frame.axes("confidence", "accuracy")]
  most = max(each["count"] for each in filled)
  for each in filled:
    left, right = frame.x(each["low"]) + 1, frame.x(each["high"]) - 1
    top = frame.y(each["accuracy"])
    hover = (
      f"confidence {each['confidence']:.3f}, accuracy {each['accuracy']:.3f}, "
      f"{each['count']} predictions"
    )
    # A bar of few predictions is paler: it says less.
    share = 0.35 + 0.65 * each["count"] / most
    parts.append(
      f'<rect class="bar k0" style="opacity:{share:.2f}" x="{left:.1f}" '
      f'y="{min(top, frame.y(0) - 1):.1f}" width="{right - left:.1f}" '
      f'height="{max(frame.y(0) - top, 1):.1f}"><title>{hover}</title></rect>'
      + _shape(1, frame.x(each["confidence"]), top, hover)
    )
  parts.append(_diagonal(frame))
  return Chart(slug, title, parts, frame.width, frame.height, (), summary)


@dataclasses.dataclass(frozen=True)
class Bar:
  """A line of a chart of bars or intervals; `low` None: a bar from zero."""

  name: str
  value: float
  low: float | None = None
  high: float | None = None


def interval_chart(
  slug: str, title: str, bars: Sequence[Bar], x_label: str
) -> Chart | str:
  """Bars from zero, or points with their intervals, each with its name."""
  if not bars:
    return missing(title, "there is nothing to draw.")
  ends = [0.0]
  for bar in bars:
    ends += [end for end in (bar.value, bar.low, bar.high) if end is not None]
  longest = max(len(bar.name) for bar in bars)
  left = min(longest * LETTER + 12, 0.5 * _WIDTH)
  height = _TOP + _ROW * len(bars) + _BOTTOM
  frame = _Frame(_padded(ends), (0, 1), height=height, left=left)
  parts = [frame.x_axis(x_label)]
  zero, bottom = frame.x(0), height - _BOTTOM
  parts.append(
    f'<line class="mark" x1="{zero:.1f}" x2="{zero:.1f}" y1="{_TOP}" '
    f'y2="{bottom}"/>'
  )
  for number, bar in enumerate(bars):
    parts.append(_bar(frame, bar, _TOP + _ROW * (number + 0.5)))
  words = "; ".join(f"{bar.name} {bar.value:.3g}" for bar in bars)
  return Chart(slug, title, parts, frame.width, height, (), words)


def _bar(frame: _Frame, bar: Bar, middle: float) -> str:
  most = int((frame.left - 8) / LETTER)
  shown = bar.name if len(bar.name) <= most else bar.name[: most - 1] + "…"
  hover = f"{bar.name}: {bar.value:.4g}"
  if bar.low is not None:
    hover += f" ({bar.low:.4g} to {bar.high:.4g})"
  title = html.escape(hover)
  text = (
    f'<text x="{frame.left - 6:.1f}" y="{middle + 4:.1f}" text-anchor="end">'
    f"{html.escape(shown)}<title>{title}</title></text>"
  )
  at, zero = frame.x(bar.value), frame.x(0)
  if bar.low is None:
    width = max(abs(at - zero), 1)
    return text + (
      f'<rect class="bar k0" x="{min(at, zero):.1f}" y="{middle - 7:.1f}" '
      f'width="{width:.1f}" height="14"><title>{title}</title></rect>'
    )
  return text + (
    f'<line class="line k0" x1="{frame.x(bar.low):.1f}" '
    f'x2="{frame.x(bar.high):.1f}" y1="{middle:.1f}" y2="{middle:.1f}">'
    f"<title>{title}</title></line>" + _shape(0, at, middle, hover)
  )
