"""Sections that look at single utterances: Figure 4, errors, calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

from unimse_jax.evaluation import breakdown
from unimse_jax.reporting import charts, projection
from unimse_jax.reporting.charts import Chart
from unimse_jax.reporting.projection import Projection
from unimse_jax.reporting.run_files import EvaluatedRun, Row
from unimse_jax.reporting.section import Gallery, Section, how_to, paragraph
from unimse_jax.tables.table import Table

WORST = 10  # utterances of a corpus that are shown
_MOST = 1500  # points of a picture
_METHODS = {"tsne": "t-SNE", "pca": "PCA"}


def figure4_section(run: EvaluatedRun, method: str) -> Section:
  """Figure 4, and its claim as numbers."""
  title = "Figure 4: the last fused layer"
  if run.embeddings is None:
    text = "This run was evaluated without storing its representations."
    return Section("figure4", title, [how_to(text, run.eval_command)])
  projections = projection.figure4(run, method)
  if not projections:
    text = (
      "The figure needs a corpus with intensities and another one with two "
      "emotions, each with two utterances or more; this run does not have them."
    )
    return Section("figure4", title, [paragraph(text)])
  name = _METHODS[method]
  pictures = [
    _scatter(f"figure4_{letter}", run, each, name)
    for letter, each in zip("ab", projections, strict=False)
  ]
  text = (
    f"{name} of the mean over tokens of the last fused encoder layer, "
    f"{run.split} split; hover or long-press a point for its utterance. A "
    "silhouette above 0 says that the two sides (positive with joy, negative "
    "with sadness, or what stands for them) lie apart in the layer itself; "
    "agreement across corpora above chance, that they lie together over the "
    "border of the corpora."
  )
  parts = [paragraph(text), Gallery(pictures, "large"), _numbers(projections)]
  return Section("figure4", title, parts)


def _scatter(
  slug: str, run: EvaluatedRun, shown: Projection, method: str
) -> Chart | str:
  points = iter(shown.points.tolist())
  groups = {
    group.name: [(*next(points), _hover(run.rows[row])) for row in group.rows]
    for group in shown.groups
  }
  summary = (
    f"Silhouette {shown.silhouette:.2f}, nearest neighbour across corpora of "
    f"the same side {shown.across:.0%}, by chance {shown.chance:.0%}"
  )
  labels = (f"{method} 1", f"{method} 2")
  return charts.scatter_chart(
    slug, shown.title, groups, labels, summary=summary
  )


def _hover(row: Row) -> str:
  return f"{row['text']}\n{row['corpus']} {row['id']}: {row['output']}"


def _numbers(projections: Sequence[Projection]) -> Table:
  head = ("", "points", "silhouette", "neighbour agrees, %")
  head += ("across corpora, %", "by chance, %", "not drawn")
  rows = [
    (
      each.title,
      str(len(each.points)),
      f"{each.silhouette:.3f}",
      f"{100 * each.agreement:.1f}",
      f"{100 * each.across:.1f}",
      f"{100 * each.chance:.1f}",
      str(each.left_out),
    )
    for each in projections
  ]
  title = "Figure 4 in numbers, measured in the layer itself"
  return Table(title, (head, *rows), "figure4")


def confusion_section(run: EvaluatedRun) -> Section:
  """What was taken for what, as shares of the true class."""
  parts: list[Table | Gallery | str] = []
  for name, scores in run.corpora.items():
    if "confusion" in scores:
      parts.append(_confusion_table(run, name, scores))
      parts.append(_class_table(run, name, scores["per_class"]))
  if not parts:
    parts.append(paragraph("No corpus of this run annotates emotions."))
  return Section("confusion", "Confusion matrices", parts)


def _confusion_table(
  run: EvaluatedRun, name: str, scores: Mapping[str, Any]
) -> Table:
  """C rows of C + 1 counts, the last of predictions outside the classes."""
  classes = list(scores["per_class"])
  rows = [
    (word, *map(str, counts))
    for word, counts in zip(classes, scores["confusion"], strict=True)
  ]
  return Table(
    f"{name}, {run.split}: true class by row, predicted by column",
    (("true \\ predicted", *classes, "other"), *rows),
    f"confusion_{name}",
    shaded=True,
  )


def _class_table(
  run: EvaluatedRun, name: str, classes: Mapping[str, Mapping]
) -> Table:
  head = ("class", "precision", "recall", "F1", "N")
  rows = [
    (
      word,
      *(f"{100 * each[key]:.2f}" for key in ("precision", "recall", "f1")),
      str(each["support"]),
    )
    for word, each in classes.items()
  ]
  title = f"{name}, {run.split}: scores of each class, %"
  return Table(title, (head, *rows), f"classes_{name}")


def intensity_section(run: EvaluatedRun) -> Section:
  """Predicted against annotated intensity."""
  pictures = []
  for name in run.corpora:
    rows = breakdown.annotated(run.of_corpus(name), "intensity")
    if not rows:
      continue
    drawn = rows[:: -(-len(rows) // _MOST)]
    points = [
      (row["targets"]["intensity"], row["scored"]["intensity"], _hover(row))
      for row in drawn
    ]
    error = sum(abs(x - y) for x, y, _ in points) / len(points)
    title = f"{name}, {run.split}: {len(drawn)} of {len(rows)} utterances"
    pictures.append(
      charts.scatter_chart(
        f"intensity_{name}",
        title,
        {name: points},
        ("annotated intensity", "predicted intensity"),
        (-3.2, 3.2),
        f"Mean distance from the diagonal {error:.2f}",
      )
    )
  if not pictures:
    text = "No utterance with an annotated intensity is in the predictions."
    return Section("intensity", "Predicted against true", [paragraph(text)])
  title = "Predicted against true intensity"
  return Section("intensity", title, [Gallery(pictures)])


def calibration_section(run: EvaluatedRun) -> Section:
  """Whether the decoder's probabilities mean what they say."""
  pictures, rows = [], [("corpus", "slot", "ECE", "N")]
  for name, scores in run.corpora.items():
    for slot, measured in scores.get("calibration", {}).items():
      error = "-" if measured["ece"] is None else f"{measured['ece']:.3f}"
      title = f"{name}, {slot}: ECE {error}"
      rows.append((name, slot, error, str(measured["n"])))
      summary = f"Expected calibration error of {measured['n']} predictions"
      pictures.append(
        charts.reliability_chart(
          f"calibration_{name}_{slot}", title, measured["bins"], summary
        )
      )
  if not pictures:
    text = "This run was evaluated without calibration."
    return Section(
      "calibration", "Calibration", [how_to(text, run.eval_command)]
    )
  text = (
    "Accuracy of the predictions of about the same confidence; on the diagonal "
    "a probability of 0.8 is right in 80 %. Pale bars hold few predictions. "
    "ECE is the mean distance from the diagonal."
  )
  table = Table(
    f"Expected calibration error, {run.split} split", tuple(rows), "calibration"
  )
  parts = [paragraph(text), Gallery(pictures), table]
  return Section("calibration", "Calibration", parts)


def wrong_section(run: EvaluatedRun) -> Section:
  """The utterances that were missed by most."""
  parts: list[Table | Gallery | str] = []
  for name in run.corpora:
    parts += [
      table
      for table in (_far_off(run, name), _surely_wrong(run, name))
      if table
    ]
  if not parts:
    parts.append(paragraph("No wrong utterance is in the predictions."))
  return Section("wrong", "Most wrong utterances", parts)


def _far_off(run: EvaluatedRun, name: str) -> Table | None:
  """Intensities, by their distance from the truth."""
  errors = [
    (abs(row["scored"]["intensity"] - row["targets"]["intensity"]), row)
    for row in breakdown.annotated(run.of_corpus(name), "intensity")
  ]
  # A collapse puts many at the same distance: the id makes the order certain.
  errors.sort(key=lambda pair: (-pair[0], pair[1]["id"]))
  rows = [
    _wrong_row(row, f"{error:.2f}") for error, row in errors[:WORST] if error
  ]
  if not rows:
    return None
  title = f"{name}, {run.split}: intensities that are farthest off"
  return Table(title, (_wrong_head("off by"), *rows), f"wrong_{name}_intensity")


def _surely_wrong(run: EvaluatedRun, name: str) -> Table | None:
  """Wrong emotions, by how sure the model was."""
  own = run.of_corpus(name)
  slot = projection.emotion_slot(own)
  wrong = []
  for row in own:
    target, scored = row["targets"]["emotion"], row["scored"]["emotion"]
    if target is not None and target != scored:
      chances = (row.get("probabilities") or {}).get(slot, {})
      wrong.append((chances.get(scored), row))
  wrong.sort(key=lambda pair: (-(pair[0] or 0), pair[1]["id"]))
  rows = [
    _wrong_row(row, "-" if sure is None else f"{sure:.2f}")
    for sure, row in wrong[:WORST]
  ]
  if not rows:
    return None
  title = f"{name}, {run.split}: wrong emotions of which the model was surest"
  head = _wrong_head("probability")
  return Table(title, (head, *rows), f"wrong_{name}_emotion")


def _wrong_head(measure: str) -> tuple[str, ...]:
  return ("utterance", "text", "output", "target", measure, "donors")


def _wrong_row(row: Row, measure: str) -> tuple[str, ...]:
  targets = ", ".join(
    f"{slot} {_shown(value)}"
    for slot, value in row["targets"].items()
    if value is not None
  )
  donors = "; ".join(
    _donor(slot, each) for slot, each in (row.get("donors") or {}).items()
  )
  output = row["output"] or "(nothing)"
  return (row["id"], row["text"], output, targets, measure, donors or "none")


def _donor(slot: str, donor: Mapping[str, Any]) -> str:
  """Where the label's slot was taken from, with the donor's words."""
  # An older version stored no text.
  words = f" “{donor['text']}”" if donor.get("text") else ""
  return (
    f"{slot} ← {donor['donor']}{words} (similarity {donor['similarity']:.2f})"
  )


def _shown(value: Any) -> str:
  return f"{value:.2f}" if isinstance(value, float) else str(value)
