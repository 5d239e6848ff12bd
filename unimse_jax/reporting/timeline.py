"""The page of a recording: a picture over time, and every utterance below."""

import html
import pathlib
from collections.abc import Sequence

from unimse_cli import storage
from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.prediction.recordings import TimedPrediction
from unimse_jax.reporting import figures, timeline_chart
from unimse_jax.reporting.charts import Chart
from unimse_jax.reporting.page import document
from unimse_jax.reporting.section import paragraph
from unimse_jax.reporting.timeline_chart import clock
from unimse_jax.tables import writers
from unimse_jax.tables.table import Notes, Table

_CAUTION = (
  "This is what a model reads into words, voice and face, not what anybody "
  "felt. It is often wrong, and nothing about a person should be decided by it."
)


def write(
  path: str | pathlib.Path, media: str, answers: Sequence[TimedPrediction]
) -> None:
  """Writes the page, and its picture as .svg beside it.

  Args:
    path: file of the page, which ends in .html.
    media: recording's name, for the heading.
    answers: its utterances in the order of their start.

  Raises:
    InputError: the files cannot be written.
  """
  page = storage.user_path(path)
  name = pathlib.PurePath(media).name
  chart = timeline_chart.draw("timeline", f"{name} over time", answers)
  try:
    storage.make_directory(page.parent)
    if isinstance(chart, Chart):
      picture = figures.to_svg(chart).encode()
      write_atomically(page.with_suffix(".svg"), picture)
    write_atomically(page, render(name, chart, answers).encode())
  except OSError as error:
    raise InputError(
      f"--timeline: {page} cannot be written: {error}"
    ) from error


def render(
  name: str, chart: Chart | str, answers: Sequence[TimedPrediction]
) -> str:
  """The whole document."""
  picture = chart.html() if isinstance(chart, Chart) else chart
  end = max((each.end for each in answers), default=0.0)
  lead = f"{len(answers)} utterances in {clock(end)}."
  header = (
    f'<p class="lead">{html.escape(lead)}</p>'
    f'<div class="alert" role="note">{paragraph(_CAUTION)}</div>'
  )
  return document(
    name,
    header,
    '<section id="time"><h2>Over time</h2>'
    f'<div class="wide timeline" role="region" aria-label="Timeline" '
    f'tabindex="0">{picture}</div></section>'
    '<section id="utterances"><h2>Utterances</h2>'
    f"{writers.to_html(_table(answers))}</section>",
  )


def _table(answers: Sequence[TimedPrediction]) -> Table:
  """A row for each utterance; what is odd about it stands in notes."""
  slots = list(
    dict.fromkeys(s for a in answers for s in a.prediction.probabilities)
  )
  spoken_by = any(each.speaker for each in answers)
  has_intensity = any(
    "intensity" in each.prediction.parsed.fields for each in answers
  )
  head = ["time", *["speaker"] * spoken_by, "words"]
  head += [*["intensity"] * has_intensity, *slots]
  notes, rows = Notes(), []
  for each in answers:
    told = list(each.prediction.notes)
    if each.prediction.error:
      told.append(f"not answered: {each.prediction.error}")
    cells = [notes.mark(clock(each.start), told)]
    cells += [each.speaker or "-"] * spoken_by
    cells += [each.text or "-"]
    cells += [_number(each.prediction.intensity)] * has_intensity
    rows.append((*cells, *(_class(each, slot) for slot in slots)))
  title = "Every utterance, with the probability of what the model wrote"
  return Table(title, (tuple(head), *rows), notes=notes.by_letter)


def _number(value: float | None) -> str:
  return "-" if value is None else f"{value:+.2f}" if value else "0"


def _class(answer: TimedPrediction, slot: str) -> str:
  """The class that was written, and its probability."""
  name = answer.prediction.parsed.fields.get(slot)
  share = answer.prediction.probabilities.get(slot, {}).get(name)
  if name is None:
    return "-"
  return name if share is None else f"{name} {share:.2f}"
