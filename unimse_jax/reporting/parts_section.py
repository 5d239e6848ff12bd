"""The section about parts of the split: where a model is good or bad."""

from collections.abc import Mapping, Sequence
from typing import Any

from unimse_jax.evaluation import breakdown
from unimse_jax.reporting import charts, projection
from unimse_jax.reporting.charts import Chart, Point
from unimse_jax.reporting.run_files import EvaluatedRun, Row
from unimse_jax.reporting.score_tables import values
from unimse_jax.reporting.section import Gallery, Section, paragraph
from unimse_jax.tables.scores import EMOTION, INTENSITY, Task, of_task
from unimse_jax.tables.table import Table

_MOST = 20  # speakers of a table
_POLARITY = "polarity"
_EXPLAINED = (
  "Speakers and ranges of the annotated intensity; bias is the mean of "
  "predicted minus annotated. Coverage: a model that may stay silent answers "
  "only what it is surest of; the curve is its accuracy over the share that it "
  "answers. Flat: its confidence says nothing. Scores of each class stand with "
  "the confusion matrices."
)


def parts_section(run: EvaluatedRun) -> Section:
  """Scores by speaker and by intensity, and accuracy over coverage."""
  title = "Parts of the split"
  parts: list[Table | Gallery | str] = []
  pictures: list[Chart | str] = []
  for name, scores in run.corpora.items():
    rows = run.of_corpus(name)
    for task in (INTENSITY, EMOTION):
      annotated = breakdown.annotated(rows, task.field)
      if annotated:
        parts += _speakers(run, name, task, annotated, scores)
    ranges = breakdown.by_range(breakdown.annotated(rows, INTENSITY.field))
    if ranges:
      parts.append(_ranges(run, name, ranges))
    curves = _coverages(rows)
    if curves:
      parts.append(_coverage_table(run, name, curves))
      pictures.append(_coverage_chart(name, curves))
  if not parts:
    text = "No prediction of this version is stored."
    return Section("parts", title, [paragraph(text)])
  return Section(
    "parts", title, [paragraph(_EXPLAINED), *parts, Gallery(pictures)]
  )


def _speakers(
  run: EvaluatedRun,
  name: str,
  task: Task,
  rows: Sequence[Row],
  scores: Mapping[str, Any],
) -> list[Table]:
  classes = [*scores.get("per_class", ())]
  found = breakdown.by_speaker(rows, task.field, classes)
  if not found:
    return []
  shown = of_task(task)
  body = [
    (part.name, str(part.scores["n"]), *map(values(part.scores), shown))
    for part in found[:_MOST]
  ]
  title = f"{name}, {run.split}: {task.field} by speaker"
  if len(found) > _MOST:
    title += f", the {_MOST} of {len(found)} with the most utterances"
  head = ("speaker", "N", *(each.title for each in shown))
  return [Table(title, (head, *body), f"speakers_{name}_{task.field}")]


def _ranges(
  run: EvaluatedRun, name: str, ranges: Sequence[breakdown.Range]
) -> Table:
  rows = [
    (each.name, str(each.n), f"{each.mae:.3f}", f"{each.bias:+.3f}")
    for each in ranges
  ]
  title = f"{name}, {run.split}: error by annotated intensity"
  head = ("annotated", "N", "MAE", "bias")
  return Table(title, (head, *rows), f"ranges_{name}")


def _coverages(rows: Sequence[Row]) -> dict[str, tuple]:
  """Slot -> curve, of the slots that the corpus annotates."""
  slots = {_POLARITY: _POLARITY, projection.emotion_slot(rows): EMOTION.field}
  curves = {
    slot: breakdown.coverage(rows, slot, field) for slot, field in slots.items()
  }
  return {slot: curve for slot, curve in curves.items() if curve is not None}


def _coverage_table(
  run: EvaluatedRun, name: str, curves: Mapping[str, tuple]
) -> Table:
  rows = [
    (
      f"{share:.0%}",
      *(f"{100 * breakdown.at(*c, share):.2f}" for c in curves.values()),
    )
    for share in breakdown.COVERAGES
  ]
  rows.append(
    (
      "mean",
      *(f"{100 * breakdown.area(*each):.2f}" for each in curves.values()),
    )
  )
  title = f"{name}, {run.split}: accuracy over coverage, %"
  return Table(title, (("coverage", *curves), *rows), f"coverage_{name}")


def _coverage_chart(name: str, curves: Mapping[str, tuple]) -> Chart | str:
  series: dict[str, list[Point]] = {
    slot: [
      (100 * share, 100 * breakdown.at(*curve, share))
      for share in breakdown.COVERAGES
    ]
    for slot, curve in curves.items()
  }
  return charts.line_chart(
    f"coverage_{name}",
    f"{name}: accuracy over coverage",
    series,
    "accuracy, %",
    x_label="coverage, %",
  )
