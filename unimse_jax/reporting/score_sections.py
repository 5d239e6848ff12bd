"""Sections of scores: the paper's tables, comparisons, ablations, curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from unimse_jax.evaluation import comparison
from unimse_jax.reporting import charts, paper_tables, score_tables
from unimse_jax.reporting.charts import Bar, Chart
from unimse_jax.reporting.run_files import FULL, EvaluatedRun
from unimse_jax.reporting.section import (
  Gallery,
  Section,
  how_to,
  paragraph,
)
from unimse_jax.tables import reservations
from unimse_jax.tables.scores import PRIMARY, among
from unimse_jax.tables.table import Table

# Row -> corpus -> score -> [value, low, high], and what the intervals drew.
_Differences = Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]

_WITHHELD = {
  "audio": "without audio",
  "video": "without video",
  "audio_video": "without audio and video",
}


def table2_section(runs: Sequence[EvaluatedRun]) -> Section:
  """The runs' rows and the paper's Table 2, side by side where they may be.

  After what was trained here in UniMSE's place, if anything was.
  """
  rows = _study_rows(runs[0], systems=True)
  parts: list[Table | Gallery | str] = []
  if len(rows) > 1:
    parts.append(paper_tables.systems(rows))
    parts += _difference_parts("systems", rows, "UniMSE")
  return Section("table2", "Table 2", [*parts, *paper_tables.table2(runs)])


def ablation_section(run: EvaluatedRun) -> Section:
  """Table 3, and how sure its differences are."""
  title = "Table 3: ablations"
  rows = _study_rows(run, systems=False)
  if len(rows) < 2:
    command = (
      f"python -m unimse_jax.ablate --config configs/{run.config['name']}.py "
      f"--rows all --workdir {run.root}"
    )
    return Section("table3", title, [how_to("No ablation was run.", command)])
  parts = [
    *paper_tables.table3(rows),
    *_difference_parts("table3", rows, "the whole model"),
  ]
  return Section("table3", title, parts)


def _study_rows(run: EvaluatedRun, systems: bool) -> list[Mapping[str, Any]]:
  """The whole model's row, and those of the systems or of the ablation."""
  rows = run.ablation["rows"] if run.ablation else ()
  return [
    row
    for row in rows
    if row["row"] == FULL or bool(row.get("system")) == systems
  ]


def _difference_parts(
  slug: str, rows: Sequence[Mapping[str, Any]], whole: str
) -> list[Table | Gallery | str]:
  """How sure the rows' differences from the whole model are."""
  different = {
    row["title"]: (row["differences"], row.get("resampled", {}))
    for row in rows
    if row["row"] != FULL and row.get("differences")
  }
  if not different:
    return []
  tables = score_tables.difference_tables(
    f"the row minus {whole}, with the 95 % interval of a paired bootstrap, "
    "seeds pooled",
    different,
    f"{slug}_differences",
    {row["title"]: row.get("reservations", ()) for row in rows},
  )
  pictures = _difference_charts(slug, different, f"row minus {whole}")
  return [*tables, Gallery(pictures)]


def _difference_charts(
  slug: str, rows: _Differences, what: str
) -> list[Chart | str]:
  """For each corpus and its primary scores the rows' intervals."""
  bars = {}
  for row, (corpora, _) in rows.items():
    for corpus, by_score in corpora.items():
      for score in PRIMARY:
        ends = by_score.get(score.name)
        if ends and ends[0] is not None:
          scaled = [None if x is None else x * score.factor for x in ends]
          bars.setdefault((corpus, score), []).append(Bar(row, *scaled))
  return [
    charts.interval_chart(
      f"{slug}_{corpus}_{score.name}",
      f"{corpus}: {score.title}, {what}",
      lines,
      f"difference of {score.title}",
    )
    for (corpus, score), lines in bars.items()
  ]


def comparison_section(
  run: EvaluatedRun, others: Sequence[EvaluatedRun], single: bool
) -> Section:
  """Paired differences from the other runs.

  Args:
    run: run that the others are subtracted from.
    others: runs to compare it with.
    single: whether the intervals draw single utterances, not dialogues.
  """
  rows, reserved = {}, {}
  own = reservations.of_results(run.result)
  for each in others:
    # Two runs may share a name; a row must not take the place of another.
    name = f"minus {each.name}"
    name = f"minus {each.root}" if name in rows else name
    pair = (run.run_dir, each.run_dir)
    compared = comparison.compare([pair], run.split, single)
    rows[name] = (compared.differences, compared.resampled)
    theirs = reservations.of_results(each.results[run.split])
    reserved[name] = [
      *(f"{run.name}: {reason}" for reason in own),
      *(f"{each.name}: {reason}" for reason in theirs),
    ]
  tables = score_tables.difference_tables(
    f"{run.name} minus another run, {run.split} split, with the 95 % interval "
    "of a paired bootstrap over the same utterances",
    rows,
    "comparison",
    reserved,
  )
  pictures = Gallery(
    _difference_charts("comparison", rows, f"{run.name} minus another run")
  )
  parts = [*tables, pictures]
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
  parts: list[Table | Gallery | str] = []
  for split, result in run.results.items():
    for name, scores in result["corpora"].items():
      parts += score_tables.corpus_tables(name, split, scores)
    line = score_tables.decoding_line(result).partition("\n")[0]
    parts.append(paragraph(f"{split}: {line}."))
  if run.seeds:
    parts += score_tables.seed_tables(run.seeds)
  return Section("scores", "Scores", parts)


def withheld_section(run: EvaluatedRun) -> Section:
  """Scores of the same model where a modality is withheld at test time."""
  title, withheld = "Modality contribution", run.result.get("withheld")
  if not withheld:
    text = "This run was evaluated without withholding modalities."
    return Section("modalities", title, [how_to(text, run.eval_command)])
  parts: list[Table | Gallery | str] = [
    paragraph(
      "The same model on the same split, with a modality withheld at test "
      "time. Where MAE rises or WF1 falls, the model used it."
    )
  ]
  pictures = []
  for corpus, scores in run.corpora.items():
    whole = {"all modalities": scores}
    others = {
      heading: withheld[name][corpus]
      for name, heading in _WITHHELD.items()
      if corpus in withheld.get(name, {})
    }
    heading = f"{corpus}, {run.split}: modalities withheld"
    parts.append(_table(heading, whole | others, f"modalities_{corpus}"))
    pictures += _withheld_charts(corpus, scores, others)
  return Section("modalities", title, [*parts, Gallery(pictures)])


def missing_section(run: EvaluatedRun) -> Section:
  """Scores of the same model with a share of the modalities missing."""
  title, missing = "Missing modalities", run.result.get("missing")
  if not missing:
    text = "This run was evaluated with all modalities there."
    command = f"{run.eval_command} --missing 0.1,0.3,0.5,0.7"
    return Section("missing", title, [how_to(text, command)])
  parts: list[Table | Gallery | str] = [
    paragraph(
      "The same model on the same split; each of text, voice and face of each "
      "utterance is absent by this chance, all at once never. What a small "
      "share takes away, a larger one takes away too."
    )
  ]
  pictures = []
  for corpus, scores in run.corpora.items():
    found = {
      float(share): each[corpus]
      for share, each in missing.items()
      if corpus in each
    }
    by_share = {0.0: scores} | dict(sorted(found.items()))
    heading = f"{corpus}, {run.split}: share of modalities missing"
    slug = f"missing_{corpus}"
    columns = {f"{100 * share:g}%": each for share, each in by_share.items()}
    parts.append(_table(heading, columns, slug))
    pictures += [
      charts.line_chart(
        f"{slug}_{score.name}",
        f"{corpus}: {score.title} with modalities missing",
        {
          corpus: [
            (100 * share, each[score.name] * score.factor)
            for share, each in by_share.items()
          ]
        },
        score.title,
        x_label="missing, %",
      )
      for score in PRIMARY
      if scores.get(score.name) is not None
    ]
  return Section("missing", title, [*parts, Gallery(pictures)])


def _table(
  heading: str, columns: Mapping[str, Mapping[str, Any]], slug: str
) -> Table:
  """Scores of one model, read in several ways; the first column is whole."""
  # The first one has scores that the others lack.
  _, *others = columns.values()
  shown = among({name for each in others for name in each})
  cells = {name: score_tables.values(each) for name, each in columns.items()}
  return score_tables.score_table(heading, shown, cells, slug)


def _withheld_charts(
  corpus: str, whole: Mapping[str, Any], others: Mapping[str, Mapping]
) -> list[Chart | str]:
  pictures = []
  for score in PRIMARY:
    if whole.get(score.name) is None:
      continue
    bars = [
      Bar(name, (each[score.name] - whole[score.name]) * score.factor)
      for name, each in others.items()
      if each.get(score.name) is not None
    ]
    title = f"{corpus}: change of {score.title} where withheld"
    slug = f"modalities_{corpus}_{score.name}"
    pictures.append(charts.interval_chart(slug, title, bars, score.title))
  return pictures


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
  for score in PRIMARY:
    ending = f"/{score.name}"
    by_corpus = {
      name.removesuffix(ending): points
      for name, points in chosen(
        "validation", lambda name, end=ending: name.endswith(end)
      ).items()
    }
    if by_corpus:
      title = f"Validation: {score.title}"
      slug = f"curves_validation_{score.name}"
      pictures.append(
        charts.line_chart(slug, title, by_corpus, score.title, mark)
      )
  rate = chosen("validation", lambda name: name == "malformed_rate")
  if rate:
    title = "Validation: share of malformed outputs without the grammar"
    slug = "curves_validation_malformed_rate"
    pictures.append(charts.line_chart(slug, title, rate, "share", mark))
  return Section("curves", "Learning curves", [Gallery(pictures)])
