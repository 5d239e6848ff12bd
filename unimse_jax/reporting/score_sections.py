"""Sections of scores: the paper's tables, comparisons, ablations, curves."""

from collections.abc import Mapping, Sequence

from unimse_jax.reporting import charts, comparison, paper_tables, tables
from unimse_jax.reporting.charts import Bar, Chart
from unimse_jax.reporting.run_files import FULL, EvaluatedRun
from unimse_jax.reporting.section import (
  Gallery,
  Section,
  how_to,
  paragraph,
  primary,
)
from unimse_jax.reporting.tables import Block

_WITHHELD = {
  "audio": "without audio",
  "video": "without video",
  "audio_video": "without audio and video",
}


def table2_section(runs: Sequence[EvaluatedRun]) -> Section:
  """The paper's Table 2 with the runs' rows at its end."""
  return Section("table2", "Table 2", [paper_tables.table2(runs)])


def ablation_section(run: EvaluatedRun) -> Section:
  """Table 3, and how sure its differences are."""
  title = "Table 3: ablations"
  if run.ablation is None:
    command = (
      "python -m unimse_jax.ablate --config configs/base.py --rows all "
      f"--workdir {run.root}"
    )
    return Section("table3", title, [how_to("No ablation was run.", command)])
  rows = {
    row["title"]: row["differences"]
    for row in run.ablation["rows"]
    if row["row"] != FULL and row.get("differences")
  }
  parts: list[Block | Gallery | str] = [paper_tables.table3(run.ablation)]
  if rows:
    parts += paper_tables.difference_blocks(
      "the row minus the whole model, with the 95 % interval of a paired "
      "bootstrap over utterances, seeds pooled",
      rows,
      "table3_differences",
    )
    parts.append(
      Gallery(_difference_charts("table3", rows, "row minus whole model"))
    )
  return Section("table3", title, parts)


def _difference_charts(
  slug: str, rows: Mapping[str, Mapping], what: str
) -> list[Chart | str]:
  """For each corpus and its primary scores the rows' intervals."""
  found = {}
  for row, corpora in rows.items():
    for corpus, scores in corpora.items():
      for key, heading, factor in primary(
        {name: ends[0] for name, ends in scores.items()}
      ):
        ends = [None if x is None else x * factor for x in scores[key]]
        bars = found.setdefault((corpus, key, heading), [])
        bars.append(Bar(row, *ends))
  return [
    charts.interval_chart(
      f"{slug}_{corpus}_{key}",
      f"{corpus}: {heading}, {what}",
      bars,
      f"difference of {heading}",
    )
    for (corpus, key, heading), bars in found.items()
  ]


def comparison_section(
  run: EvaluatedRun, others: Sequence[EvaluatedRun]
) -> Section:
  """Paired differences from the other runs."""
  rows = {}
  for each in others:
    # Two runs may share a name; a row must not take the place of another.
    name = f"minus {each.name}"
    name = f"minus {each.root}" if name in rows else name
    rows[name] = comparison.compare(run, each)
  blocks = paper_tables.difference_blocks(
    f"{run.name} minus another run, {run.split} split, with the 95 % interval "
    "of a paired bootstrap over the same utterances",
    rows,
    "comparison",
  )
  pictures = Gallery(
    _difference_charts("comparison", rows, f"{run.name} minus another run")
  )
  parts = [*blocks, pictures]
  gathered = [each for each in (run, *others) if each.seeds]
  if gathered:
    names = ", ".join(
      f"{each.name}: {each.run_dir.path.name}" for each in gathered
    )
    parts.insert(
      0, paragraph(f"Of several seeds the first is compared ({names}).")
    )
  return Section("comparison", "Compared runs", parts)


def scores_section(run: EvaluatedRun) -> Section:
  """Every score of every split beside a constant predictor's."""
  parts: list[Block | Gallery | str] = []
  for split, result in run.results.items():
    for name, scores in result["corpora"].items():
      parts += tables.corpus_blocks(name, split, scores)
    line = tables.decoding_line(result["decoding"]).partition("\n")[0]
    parts.append(paragraph(f"{split}: {line}."))
  if run.seeds:
    parts += _seed_blocks(run.seeds)
  return Section("scores", "Scores", parts)


def _seed_blocks(seeds: Mapping) -> list[Block]:
  """Mean, deviation and every seed of each corpus."""
  blocks = []
  for corpus, scores in seeds["corpora"].items():
    columns = [each for each in tables.COLUMNS if each[1] in scores]
    rows = {
      name: {key: found[field] for key, found in scores.items()}
      for name, field in (("mean", "mean"), ("standard deviation", "sd"))
    }
    for number, seed in enumerate(seeds["seeds"]):
      rows[f"seed {seed}"] = {
        key: found["values"][number] for key, found in scores.items()
      }
    title = f"{corpus}, {seeds['split']}: {len(seeds['seeds'])} seeds"
    slug = f"seeds_{seeds['split']}_{corpus}"
    blocks.append(tables.score_block(title, columns, rows, slug))
  return blocks


def withheld_section(run: EvaluatedRun) -> Section:
  """Scores of the same model where a modality is withheld at test time."""
  title, found = "Modality contribution", run.result.get("withheld")
  if not found:
    text = "This run was evaluated without withholding modalities."
    return Section("modalities", title, [how_to(text, _eval_command(run))])
  parts: list[Block | Gallery | str] = [
    paragraph(
      "The same model on the same split, with a modality withheld at test "
      "time. Where MAE rises or WF1 falls, the model used it."
    )
  ]
  pictures = []
  for corpus, scores in run.corpora.items():
    rows = {"all modalities": scores}
    for name, heading in _WITHHELD.items():
      if corpus in found.get(name, {}):
        rows[heading] = found[name][corpus]
    columns = [
      each
      for each in tables.COLUMNS
      if any(each[1] in row for row in list(rows.values())[1:])
    ]
    slug = f"modalities_{corpus}"
    heading = f"{corpus}, {run.split}: modalities withheld"
    parts.append(tables.score_block(heading, columns, rows, slug))
    pictures += _withheld_charts(corpus, rows)
  return Section("modalities", title, [*parts, Gallery(pictures)])


def _withheld_charts(
  corpus: str, rows: Mapping[str, Mapping]
) -> list[Chart | str]:
  whole, *others = rows.items()
  pictures = []
  for key, heading, factor in primary(whole[1]):
    bars = [
      Bar(name, (scores[key] - whole[1][key]) * factor)
      for name, scores in others
      if scores.get(key) is not None
    ]
    title = f"{corpus}: change of {heading} where withheld"
    slug = f"modalities_{corpus}_{key}"
    pictures.append(charts.interval_chart(slug, title, bars, heading))
  return pictures


def _eval_command(run: EvaluatedRun) -> str:
  return f"python -m unimse_jax.eval --config ... --workdir {run.run_dir.path}"


def curves_section(run: EvaluatedRun) -> Section:
  """Training losses, and the validation scores that selection reads."""
  curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
  for line in run.metrics:
    for name, value in line.items():
      if name not in ("step", "split") and value is not None:
        point = (line["step"], value)
        curves.setdefault((line["split"], name), []).append(point)

  def chosen(split: str, wanted) -> dict:
    return {
      name: points
      for (part, name), points in curves.items()
      if part == split and wanted(name)
    }

  mark = run.result["selection"].get("step")
  losses = chosen(
    "train", lambda n: n == "loss" or n in ("nll",) or "contr" in n
  )
  # One scale for each: the parts of a loss differ by orders of magnitude.
  pictures = [
    charts.line_chart(
      f"curves_train_{name}", f"Training: {name}", {name: points}, name, mark
    )
    for name, points in losses.items()
  ] or [charts.missing("Training loss", "nothing was recorded.")]
  for score, heading in (("mae", "MAE"), ("wf1", "WF1")):
    found = chosen("validation", lambda n, s=score: n.endswith(f"/{s}"))
    found = {name.rpartition("/")[0]: points for name, points in found.items()}
    if found:
      title = f"Validation: {heading}"
      slug = f"curves_validation_{score}"
      pictures.append(charts.line_chart(slug, title, found, heading, mark))
  rate = chosen("validation", lambda name: name == "malformed_rate")
  if rate:
    title = "Validation: share of malformed outputs without the grammar"
    slug = "curves_validation_malformed_rate"
    pictures.append(charts.line_chart(slug, title, rate, "share", mark))
  return Section("curves", "Learning curves", [Gallery(pictures)])
