"""Tables of scores: a row for each score, a column for each system."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unimse_jax.evaluation.confidence import in_words
from unimse_jax.evaluation.results import EXTERNAL
from unimse_jax.reporting import published
from unimse_jax.rundir import RunDir
from unimse_jax.tables import writers
from unimse_jax.tables.scores import (
  EMOTION,
  INTENSITY,
  TASKS,
  Score,
  Task,
  among,
  format_difference,
  format_interval,
  format_score,
  is_annotated,
  of_task,
)
from unimse_jax.tables.table import Notes, Table

_TOLD = "the 95 % interval excludes zero"


def score_table(
  title: str,
  scores: Sequence[Score],
  columns: Mapping[str, Callable[[Score], str]],
  slug: str = "",
) -> Table:
  """A table of scores.

  Args:
    title: caption.
    scores: scores to show, a row each.
    columns: heading -> cell of a score.
    slug: name of its files in the report folder.
  """
  rows = [
    (score.title, *(cell(score) for cell in columns.values()))
    for score in scores
  ]
  return Table(title, (("", *columns), *rows), slug)


def values(scores: Mapping[str, float | None]) -> Callable[[Score], str]:
  """A column of values; "-" for a score that is lacking."""
  return lambda score: format_score(score, scores.get(score.name))


def corpus_tables(
  name: str, split: str, scores: Mapping[str, Any]
) -> list[Table]:
  """One corpus: its scores, their interval, the constant's, the paper's.

  Args:
    name: name of the corpus.
    split: split that was scored.
    scores: scores of the corpus from the results file.
  """
  tables = [
    _task_table(task, name, split, scores)
    for task in TASKS
    if is_annotated(task, scores)
  ]
  if "six_classes" in scores:
    tables.append(_six_class_table(name, split, scores))
  return tables


def _task_table(
  task: Task, name: str, split: str, scores: Mapping[str, Any]
) -> Table:
  columns = {"model": values(scores)}
  intervals = scores.get("intervals")
  if intervals:
    drawn = in_words(scores.get("resampled", {}).get(task.field))
    columns[f"95 % interval over {drawn}"] = lambda score: format_interval(
      score, intervals.get(score.name)
    )
  columns[task.constant_title] = values(scores[task.constant])
  printed = published.unimse_scores(name) if split == "test" else {}
  if printed:
    n = published.load()["n"][name]
    columns[f"{published.UNIMSE}, N = {n}"] = lambda score: printed.get(
      score.name, "-"
    )
  if task == INTENSITY:
    n = f"{scores['n_intensity']} ({scores['n_non0']} non-zero)"
    what = "intensity"
  else:
    n = scores["n_emotion"]
    what = f"emotion ({len(scores['per_class'])} classes)"
  title = f"{name}, {split}: {what}, N = {n}, malformed {scores['malformed']}"
  slug = f"scores_{split}_{name}_{task.field}"
  return score_table(title, of_task(task), columns, slug)


def _six_class_table(name: str, split: str, scores: Mapping[str, Any]) -> Table:
  """MELD without its neutral utterances beside all seven classes (D38)."""
  six = scores["six_classes"]
  columns = {
    f"7 classes, N = {scores['n_emotion']}": values(scores),
    EMOTION.constant_title: values(scores[EMOTION.constant]),
    f"6 classes, N = {six['n']}": values(six),
    f"{EMOTION.constant_title} of the 6": values(six.get(EMOTION.constant, {})),
  }
  title = f"{name}, {split}: with and without neutral utterances"
  slug = f"scores_{split}_{name}_six"
  return score_table(title, of_task(EMOTION), columns, slug)


def seed_tables(seeds: Mapping[str, Any]) -> list[Table]:
  """Mean, standard deviation and every seed of each corpus.

  Args:
    seeds: content of seeds.json.
  """
  tables = []
  for corpus, summary in seeds["corpora"].items():

    def column(of_score: Callable[[Mapping], Any], summary=summary):
      return values({name: of_score(each) for name, each in summary.items()})

    columns = {
      "mean": column(lambda each: each["mean"]),
      "standard deviation": column(lambda each: each["sd"]),
    }
    for place, seed in enumerate(seeds["seeds"]):
      columns[f"seed {seed}"] = column(lambda each, k=place: each["values"][k])
    notes = Notes()
    title = notes.mark(
      f"{corpus}, {seeds['split']}: {len(seeds['seeds'])} seed(s)",
      seeds.get("reservations", ()),
    )
    slug = f"seeds_{seeds['split']}_{corpus}"
    table = score_table(title, among(summary), columns, slug)
    tables.append(dataclasses.replace(table, notes=notes.by_letter))
  return tables


def difference_tables(
  title: str,
  rows: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]],
  slug: str,
  reserved: Mapping[str, Sequence[str]],
) -> list[Table]:
  """Differences with their intervals, a line for each row and corpus.

  Args:
    title: caption; says what is subtracted from what.
    rows: row -> differences and what their intervals drew, as in
      `comparison.Comparison`.
    slug: beginning of the names of the files.
    reserved: row -> what is to be said of its scores.

  Returns:
    A table for each task that has differences.
  """
  tables = []
  for task in TASKS:
    scores, notes = of_task(task), Notes()
    body = []
    for row, (differences, resampled) in rows.items():
      for corpus, by_score in differences.items():
        if any(score.name in by_score for score in scores):
          drawn = in_words(resampled.get(corpus, {}).get(task.field))
          cells = [_difference(x, by_score.get(x.name), notes) for x in scores]
          name = notes.mark(row, reserved.get(row, ()))
          body.append((name, corpus, drawn, *cells))
    if body:
      head = ("", "corpus", "interval over", *(x.title for x in scores))
      tables.append(
        Table(
          f"{task.field.capitalize()}: {title}",
          (head, *body),
          f"{slug}_{task.field}",
          notes=notes.by_letter,
        )
      )
  return tables


def _difference(
  score: Score, ends: Sequence[float | None] | None, notes: Notes
) -> str:
  text = format_difference(score, ends)
  if not ends or None in ends:
    return text
  return notes.mark(text, [_TOLD] if ends[1] > 0 or ends[2] < 0 else [])


def decoding_line(results: Mapping[str, Any]) -> str:
  """How much of the output was legal, how much it varied, and warnings."""
  decoding = results["decoding"]
  if results.get("selection", {}).get("checkpoint") == EXTERNAL:
    line = (
      f"{decoding['n']} utterances: {decoding['malformed_outputs']} without a "
      f"prediction, {decoding['distinct_outputs']} distinct predictions"
    )
    return "\n".join([line, *decoding["collapse"]["warnings"]])
  line = (
    f"decoded {decoding['n']} utterances: {decoding['malformed_outputs']} "
    f"malformed ({decoding['malformed']}, "
    f"{100 * decoding['malformed_rate']:.2f} %, without the grammar), "
    f"{decoding['distinct_outputs']} distinct outputs"
  )
  return "\n".join([line, *decoding["collapse"]["warnings"]])


def openings_line(openings: int) -> str:
  """How often a run's test split was scored, this evaluation included."""
  if openings == 1:
    return "The test split of this run was scored for the first time."
  return f"The test split of this run has been scored {openings} times by now."


def results_text(results: Mapping[str, Any], split: str) -> str:
  """Every corpus of a results file as text, and how the scores came about."""
  parts = [
    writers.to_text(table)
    for name, scores in results["corpora"].items()
    for table in corpus_tables(name, split, scores)
  ]
  parts.append(decoding_line(results))
  if "test_openings" in results:
    parts.append(openings_line(results["test_openings"]))
  return "\n\n".join(parts)


def written_text(run_dir: RunDir, split: str) -> str:
  """`results_text` of what was just written to a run, and where it is."""
  return (
    f"{results_text(run_dir.results(split), split)}\n\nWritten: "
    f"{run_dir.results_file(split)} and {run_dir.predictions_file(split)}"
  )
