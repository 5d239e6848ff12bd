"""What is felt over the time of a recording: intensity, and every class.

A long recording goes over several strips, one below the other, as lines of a
text. A class has a lane of its own, so that no colour needs to be told apart.
"""

import dataclasses
import html
from collections.abc import Sequence

from unimse_jax.prediction.recordings import TimedPrediction
from unimse_jax.reporting.charts import LETTER, Chart, missing

_WIDTH, _RIGHT = 760, 24  # px; half of a mark such as 1:00:00 is beside it
_PANEL, _LANE, _HEADING, _AXIS, _SPACE = 96, 16, 20, 24, 18  # px, heights
_MOST_STRIPS, _MOST_TICKS = 8, 8
# s, what a strip or the step between two marks of time may be
_SPANS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_INTENSITY = "intensity"


@dataclasses.dataclass(frozen=True)
class _Layout:
  """Where things are, in px and s.

  Attributes:
    slots: name -> its classes, each with a lane.
    intensity: whether there is a panel of intensities.
    left: place of second 0 of a strip.
    span: seconds of a strip.
    length: seconds of the whole recording.
  """

  slots: dict[str, list[str]]
  intensity: bool
  left: float
  span: float
  length: float

  @property
  def height(self) -> int:
    """Of a strip, its axis and the space below it included."""
    lanes = sum(_HEADING + _LANE * len(each) for each in self.slots.values())
    return _PANEL * self.intensity + lanes + _AXIS + _SPACE

  @property
  def strips(self) -> int:
    return max(1, -int(-self.length // self.span))

  @property
  def scale(self) -> float:
    """px of a second."""
    return (_WIDTH - _RIGHT - self.left) / self.span


def draw(
  slug: str, title: str, answers: Sequence[TimedPrediction]
) -> Chart | str:
  """The chart of a recording; a sentence where nothing was answered.

  Args:
    slug: name of its file.
    title: caption.
    answers: utterances in the order of their start.
  """
  answered = [each for each in answers if each.prediction.error is None]
  if not answered:
    return missing(title, "no utterance was answered.")
  layout = _lay_out(answered)
  parts = []
  for number in range(layout.strips):
    first = number * layout.span
    seen = [
      each
      for each in answered
      if each.start < first + layout.span and each.end > first
    ]
    parts.append(
      f'<g transform="translate(0 {number * layout.height})">'
      f"{_strip(layout, first, seen)}</g>"
    )
  legend = [
    ("more or less probable", _SHADES),
    ("what the model wrote", _CHOSEN),
  ]
  if layout.intensity:
    legend = [
      ("positive", _bar_sample(0)),
      ("negative", _bar_sample(1)),
    ] + legend
  return Chart(
    slug,
    title,
    parts,
    _WIDTH,
    layout.strips * layout.height,
    legend,
    f"{len(answered)} utterances in {clock(layout.length)}",
  )


def clock(seconds: float) -> str:
  """Minutes and seconds, with hours where there are some: 1:02:03."""
  whole = int(seconds)
  minutes, rest = divmod(whole, 60)
  hours, minutes = divmod(minutes, 60)
  return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe(answer: TimedPrediction) -> str:
  """An utterance and what the model wrote, on a line."""
  speaker = f"{answer.speaker}: " if answer.speaker else ""
  text = answer.text or "(no words)"
  said = f"{clock(answer.start)} to {clock(answer.end)}, {speaker}{text}"
  return f"{said} \u2192 {answer.prediction.output}"


def _bar_sample(kind: int) -> str:
  return f'<rect class="bar k{kind}" x="6" width="12" height="12"/>'


_SHADES = "".join(
  f'<rect class="bar k2" x="{8 * n}" width="8" height="12" '
  f'style="opacity:{opacity}"/>'
  for n, opacity in enumerate((0.15, 0.5, 1))
)
_CHOSEN = '<rect class="ring ink" x="3" y="1" width="18" height="10"/>'


def _lay_out(answers: Sequence[TimedPrediction]) -> _Layout:
  has_intensity = any(
    _INTENSITY in each.prediction.parsed.fields for each in answers
  )
  slots: dict[str, list[str]] = {}
  for each in answers:
    for slot, shares in each.prediction.probabilities.items():
      # The intensity says it, and more.
      if slot != "polarity" or not has_intensity:
        slots.setdefault(slot, list(shares))
  names = [name for classes in slots.values() for name in classes]
  longest = max(map(len, [*names, _INTENSITY]))
  length = max(each.end for each in answers)
  span = length
  if length > 60:
    spans = [each for each in _SPANS if each >= 60]
    enough = [each for each in spans if length <= _MOST_STRIPS * each]
    span = enough[0] if enough else length / _MOST_STRIPS
  return _Layout(slots, has_intensity, longest * LETTER + 16, span, length)


def _strip(
  layout: _Layout, first: float, answers: Sequence[TimedPrediction]
) -> str:
  """One strip; `first` is the second at which it begins."""
  bottom = layout.height - _AXIS - _SPACE
  parts, top = [_time_axis(layout, first, bottom)], 0
  if layout.intensity:
    parts.append(_panel(layout, first, answers))
    top += _PANEL
  for slot, classes in layout.slots.items():
    parts.append(
      f'<text x="{layout.left + 4:.1f}" y="{top + 14}" font-weight="600">'
      f"{html.escape(slot)}</text>"
    )
    top += _HEADING
    for name in classes:
      parts.append(_lane(layout, first, answers, slot, name, top))
      top += _LANE
  parts += [_hover(layout, first, each, bottom) for each in answers]
  return "".join(parts)


def _place(
  layout: _Layout, first: float, answer: TimedPrediction
) -> tuple[float, float]:
  """x and width of an utterance in a strip, in px; one of 1 ms is seen too."""
  start = max(answer.start - first, 0.0)
  end = min(answer.end - first, layout.span)
  x = layout.left + start * layout.scale
  return x, max((end - start) * layout.scale - 1, 1.5)


def _panel(
  layout: _Layout, first: float, answers: Sequence[TimedPrediction]
) -> str:
  """Bars from intensity 0 up or down; 0 itself is a thin one."""
  zero, unit = _PANEL / 2, (_PANEL / 2 - 8) / 3
  right = layout.left + min(layout.span, layout.length - first) * layout.scale
  parts = []
  for value in (-3, 0, 3):
    y = zero - value * unit
    sign = "\u2212" if value < 0 else ""
    parts.append(
      f'<line class="grid" x1="{layout.left}" x2="{right:.1f}" y1="{y:.1f}" '
      f'y2="{y:.1f}"/><text x="{layout.left - 6}" y="{y + 4:.1f}" '
      f'text-anchor="end">{sign}{abs(value)}</text>'
    )
  parts.append(
    f'<text x="{layout.left - 6}" y="{zero - unit * 1.5 + 4:.1f}" '
    f'text-anchor="end">{_INTENSITY}</text>'
  )
  for answer in answers:
    value = answer.prediction.intensity
    if value is None:
      continue
    x, width = _place(layout, first, answer)
    height = max(abs(value) * unit, 2)
    y = zero - height if value > 0 else zero if value < 0 else zero - 1
    parts.append(
      f'<rect class="bar k{int(value < 0)}" x="{x:.1f}" y="{y:.1f}" '
      f'width="{width:.1f}" height="{height:.1f}"/>'
    )
  return "".join(parts)


def _lane(
  layout: _Layout,
  first: float,
  answers: Sequence[TimedPrediction],
  slot: str,
  name: str,
  top: float,
) -> str:
  """A class over time: darker where more probable, framed where written."""
  right = layout.left + min(layout.span, layout.length - first) * layout.scale
  bottom = top + _LANE
  parts = [
    f'<line class="grid" x1="{layout.left}" x2="{right:.1f}" y1="{bottom}" '
    f'y2="{bottom}"/><text x="{layout.left - 6}" y="{bottom - 4}" '
    f'text-anchor="end">{html.escape(name)}</text>'
  ]
  for answer in answers:
    share = answer.prediction.probabilities.get(slot, {}).get(name, 0.0)
    x, width = _place(layout, first, answer)
    place = f'x="{x:.1f}" y="{top + 1.5}" width="{width:.1f}" height="13"'
    if share >= 0.01:  # paler ones cannot be seen
      parts.append(
        f'<rect class="bar k2" {place} style="opacity:{share:.2f}"/>'
      )
    if answer.prediction.parsed.fields.get(slot) == name:
      parts.append(f'<rect class="ring ink" {place}/>')
  return "".join(parts)


def _time_axis(layout: _Layout, first: float, bottom: float) -> str:
  """Marks of time, and their lines behind all that is drawn above them."""
  steps = [each for each in _SPANS if layout.span <= _MOST_TICKS * each]
  step = steps[0] if steps else layout.span
  parts, number = [], 0
  last = min(layout.span, layout.length - first)
  while number * step <= last:
    x = layout.left + number * step * layout.scale
    parts.append(
      f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom + 4}"/>'
      f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">'
      f"{clock(first + number * step)}</text>"
    )
    number += 1
  return "".join(parts)


def _hover(
  layout: _Layout, first: float, answer: TimedPrediction, height: int
) -> str:
  """What is said where the pointer is; over all of a strip's height."""
  x, width = _place(layout, first, answer)
  return (
    f'<rect class="hover" x="{x:.1f}" y="0" width="{width:.1f}" '
    f'height="{height}"><title>{html.escape(describe(answer))}</title></rect>'
  )
