"""The paper's Tables 2 and 3 with ours, where ours can stand beside them.

Only MOSI stands under MOSI's columns. Other corpora, the demo's too, have
tables of their own.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from unimse_jax.evaluation.confidence import in_words
from unimse_jax.reporting import published
from unimse_jax.reporting.published import Column
from unimse_jax.reporting.run_files import EvaluatedRun
from unimse_jax.tables import reservations
from unimse_jax.tables.scores import (
  PRIMARY,
  TASKS,
  Score,
  format_interval,
  format_score,
  format_spread,
)
from unimse_jax.tables.table import Notes, Table

_Form = Callable[[Score], str]  # the text of a score
# Columns of each corpus, corpora in the order of the table.
_Layout = Mapping[str, tuple[Column, ...]]


def table2(runs: Sequence[EvaluatedRun]) -> list[Table]:
  """Table 2: the runs' rows, the paper's and later ones.

  Returns:
    A table of the runs' other corpora, if they have any, and Table 2.
  """
  layout = {name: published.columns(name) for name in published.corpora()}
  tables = []
  others = other_corpora(runs)
  if others:
    title = (
      f"Scores on corpora that are not in the paper, {runs[0].split} split: "
      "not comparable with any published number"
    )
    notes = Notes()
    rows = _ours(runs, others, notes)
    tables.append(_table(title, others, rows, "table2_other", notes))
  notes = Notes()
  rows = _ours(runs, layout, notes)
  if rows:
    rows.insert(0, (f"ours, {runs[0].split} split",))
  table2 = published.load()["table2"]
  for group, heading in table2["groups"].items():
    rows.append((heading,))
    rows += [
      _published_row(row, notes)
      for row in table2["rows"]
      if row["group"] == group
    ]
  title = (
    "Table 2: results on MOSI, MOSEI, MELD and IEMOCAP. ACC-2 and F1 are "
    "negative/non-negative (has0) / negative/positive (non0)"
  )
  return [*tables, _table(title, layout, rows, "table2", notes)]


def other_corpora(runs: Sequence[EvaluatedRun]) -> _Layout:
  """The columns of the runs' corpora that Table 2 does not have."""
  return {
    name: published.columns_of(scores)
    for run in runs
    for name, scores in run.corpora.items()
    if name not in published.corpora()
  }


def _ours(
  runs: Sequence[EvaluatedRun], layout: _Layout, notes: Notes
) -> list[tuple[str, ...]]:
  """The rows of the runs that have one of the corpora."""
  return [
    row
    for run in runs
    if not layout.keys().isdisjoint(run.corpora)
    for row in _run_rows(run, layout, notes)
  ]


def _table(
  title: str,
  layout: _Layout,
  rows: Sequence[tuple[str, ...]],
  slug: str,
  notes: Notes,
) -> Table:
  head = ("", *(each.title for of in layout.values() for each in of))
  known = published.corpora()
  spans = [
    (name.upper() if name in known else name, len(of))
    for name, of in layout.items()
  ]
  return Table(title, (head, *rows), slug, (("", 1), *spans), notes.by_letter)


def _published_row(row: Mapping[str, Any], notes: Notes) -> tuple[str, ...]:
  marks, own = published.load()["marks"], row.get("marks", {})
  cells = []
  for corpus in published.corpora():
    for column in published.columns(corpus):
      cell = row["cells"].get(corpus, {}).get(column.key, "-")
      places = (corpus, f"{corpus}/{column.key}")
      names = [own[place] for place in places if place in own]
      cells.append(notes.mark(cell, [marks[name] for name in names]))
  source = [f"source: {row['source']}"] if "source" in row else []
  return (notes.mark(row["name"], source), *cells)


@dataclasses.dataclass(frozen=True)
class _Line:
  """A row of a run.

  Attributes:
    title: first cell.
    form: corpus -> writer of its scores.
    notes: corpus -> notes on its cells.
    joint: text between the two conventions of a cell.
  """

  title: str
  form: Callable[[str], _Form]
  notes: Callable[[str], list[str]]
  joint: str = "/"


def _run_rows(
  run: EvaluatedRun, layout: _Layout, notes: Notes
) -> list[tuple[str, ...]]:
  """A run's scores, their interval, and the constant predictor's scores."""
  rows = []
  for line in _lines(run):
    cells = [line.title]
    for name, of_corpus in layout.items():
      for column in of_corpus:
        if name in run.corpora:
          cell = column.cell(line.form(name), line.joint)
          cells.append(notes.mark(cell, line.notes(name)))
        else:
          cells.append("-")
    rows.append(tuple(cells))
  return rows


def _lines(run: EvaluatedRun) -> list[_Line]:
  scores, lines = run.corpora, []

  def apart(name: str) -> list[str]:
    return _incomparable(run, name)

  seed = f"seed {run.result['provenance'].get('seed', '?')}"
  title = f"{run.name}, {seed if run.seeds else '1 seed'}"
  if run.seeds and run.seeds["split"] == run.split:
    gathered, count = run.seeds["corpora"], len(run.seeds["seeds"])
    lines.append(
      _Line(
        f"{run.name}, mean ± deviation of {count} seeds",
        lambda name: _spread(gathered.get(name, {})),
        apart,
      )
    )
    title = f"{seed} of them"
  lines.append(_Line(title, lambda name: _valued(scores[name]), apart))
  if any("intervals" in each for each in scores.values()):
    lines.append(
      _Line(
        "95 % interval",
        lambda name: _interval(scores[name].get("intervals", {})),
        lambda name: _drawn(scores[name]),
        " / ",
      )
    )
  constant = "always the train median or majority"
  lines.append(_Line(constant, lambda name: _constant(scores[name]), apart))
  return lines


def _valued(values: Mapping[str, float | None]) -> _Form:
  return lambda score: format_score(score, values.get(score.name))


def _spread(values: Mapping[str, Mapping[str, Any]]) -> _Form:
  return lambda score: format_spread(score, values.get(score.name))


def _interval(
  intervals: Mapping[str, Sequence[float | None]],
) -> _Form:
  return lambda score: format_interval(score, intervals.get(score.name))


def _constant(scores: Mapping[str, Any]) -> _Form:
  return lambda score: format_score(
    score, scores.get(score.task.constant, {}).get(score.name)
  )


def _drawn(scores: Mapping[str, Any]) -> list[str]:
  """What the intervals of a corpus drew, as a note."""
  resampled = scores.get("resampled", {})
  units = dict.fromkeys(
    in_words(resampled.get(task.field))
    for task in TASKS
    if task.constant in scores
  )
  return [f"interval over {unit}" for unit in units]


def _incomparable(run: EvaluatedRun, corpus: str) -> list[str]:
  """Why the run's cells cannot be held against the published ones."""
  source, scores = published.load(), run.corpora[corpus]
  reasons = reservations.of_results(run.result)
  if corpus not in source["n"]:
    return reasons  # it has a table of its own
  n = scores["n_intensity"] or scores["n_emotion"]
  reasons += _other_utterances(run.split, n, corpus)
  classes = source["classes"].get(corpus)
  # A model may be scored on the intensities of a corpus alone.
  if classes and len(scores.get("per_class", ())) not in (0, classes):
    reasons.append(
      f"another number of classes: {len(scores['per_class'])}, published "
      f"with {classes}"
    )
  return reasons


def _other_utterances(split: str, n: int, corpus: str) -> list[str]:
  """Why scores of n utterances are not of those of the published ones."""
  printed = published.load()["n"][corpus]
  if split != "test":
    return [f"not the test split but {split}, N = {n}"]
  if n != printed:
    return [f"another N: {n}, the published test split has {printed}"]
  return []


def table3(ablation: Sequence[Mapping[str, Any]]) -> list[Table]:
  """Table 3 on MOSI beside ours, and ours on the other corpora.

  Args:
    ablation: rows of the study.
  """
  rows = {row["row"]: row for row in ablation}
  source = published.load()["table3"]
  corpus = source["corpus"]
  corpora = {name: None for row in rows.values() for name in row["corpora"]}
  others = [name for name in corpora if name != corpus]
  tables = [_table3(source, rows, corpus in corpora)]
  return [*tables, _other_table3(rows, others)] if others else tables


def _table3(
  source: Mapping[str, Any], rows: Mapping[str, Mapping], has_ours: bool
) -> Table:
  """The paper's rows, and ours beside them if MOSI is among our corpora."""
  corpus, columns = source["corpus"], published.table3_columns()
  notes = Notes()
  printed = {row["row"]: row for row in source["rows"]}
  body = []
  for name in dict.fromkeys([*printed, *(rows if has_ours else ())]):
    theirs = printed.get(name, {}).get("cells", {}).get(corpus, {})
    cells = [theirs.get(column.key, "-") for column in columns]
    title = printed.get(name, {}).get("name", "")
    if has_ours:
      own = rows.get(name, {}).get("corpora", {}).get(corpus, {})
      cells += [column.cell(_spread(own)) for column in columns]
      cells.append(str(len(rows[name]["seeds"])) if name in rows else "-")
      title = _row_title(rows[name], notes, corpus) if name in rows else title
    body.append((title, *cells))
  heads = [column.title for column in columns]
  title = f"Table 3: what each part is worth, on {corpus.upper()}"
  spans = [("", 1), (f"the paper, {corpus.upper()}", len(columns))]
  if not has_ours:
    return Table(title, (("", *heads), *body), "table3", tuple(spans))
  split = next(iter(rows.values()))["split"]
  spans += [(f"ours, {corpus}, {split} split", len(columns)), ("", 1)]
  return Table(
    f"{title}; ours: mean ± standard deviation over seeds",
    (("", *heads, *heads, "seeds"), *body),
    "table3",
    tuple(spans),
    notes.by_letter,
  )


def _row_title(
  row: Mapping[str, Any], notes: Notes, corpus: str | None = None
) -> str:
  """The title of a study's row, with what is to be said of its scores.

  Args:
    row: a row of ablation.json.
    notes: the table's notes; those of this row are added.
    corpus: the corpus whose published scores stand beside it; None: none do.
  """
  reasons = [*row.get("reservations", ())]  # none by older versions
  n = row.get("n", {}).get(corpus)
  if n is not None:
    reasons += _other_utterances(row["split"], n, corpus)
  return notes.mark(row["title"], reasons)


def systems(rows: Sequence[Mapping[str, Any]]) -> Table:
  """UniMSE and the systems that were trained on the same records.

  Args:
    rows: UniMSE's row of a study and those of the systems.
  """
  corpora = {name: None for row in rows for name in row["corpora"]}
  shown, notes = _primary_columns(rows, [*corpora]), Notes()
  body = [
    (
      _row_title(row, notes),
      *_spread_cells(row, shown),
      _number(row.get("parameters"), "{:,}"),
      _number(row.get("seconds_a_step"), "{:.3f}"),
      str(len(row["seeds"])),
    )
    for row in rows
  ]
  heads = (f"{name} {score.title}" for name, score in shown)
  return Table(
    f"Trained here on the same records, {rows[0]['split']} split, mean ± "
    "standard deviation over seeds",
    (("", *heads, "parameters", "s a step", "seeds"), *body),
    "systems",
    notes=notes.by_letter,
  )


def _number(value: float | None, form: str) -> str:
  return "-" if value is None else form.format(value)


def _primary_columns(
  rows: Iterable[Mapping[str, Any]], corpora: Sequence[str]
) -> list[tuple[str, Score]]:
  """(corpus, primary score) of all that any row has."""
  kept = list(rows)
  return [
    (name, score)
    for name in corpora
    for score in PRIMARY
    if any(score.name in row["corpora"].get(name, {}) for row in kept)
  ]


def _spread_cells(
  row: Mapping[str, Any], shown: Sequence[tuple[str, Score]]
) -> tuple[str, ...]:
  """Mean and deviation of each column."""
  return tuple(
    format_spread(score, row["corpora"].get(name, {}).get(score.name))
    for name, score in shown
  )


def _other_table3(rows: Mapping[str, Mapping], corpora: Sequence[str]) -> Table:
  """Our rows on corpora that Table 3 does not have: their primary scores."""
  shown, notes = _primary_columns(rows.values(), corpora), Notes()
  body = [
    (
      _row_title(row, notes),
      *_spread_cells(row, shown),
      str(len(row["seeds"])),
    )
    for row in rows.values()
  ]
  split = next(iter(rows.values()))["split"]
  heads = (f"{name} {score.title}" for name, score in shown)
  return Table(
    f"What each part is worth on corpora that are not in Table 3, {split} "
    "split, mean ± standard deviation over seeds: not comparable with the "
    "paper",
    (("", *heads, "seeds"), *body),
    "table3_other",
    notes=notes.by_letter,
  )
