"""Scores of several runs: means, deviations, differences with intervals."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tqdm

from unimse_jax.errors import InputError
from unimse_jax.evaluation import confidence
from unimse_jax.evaluation.uncertainty import scorer
from unimse_jax.rundir import RunDir
from unimse_jax.study.plan import PlannedRun, Row

Scores = dict[str, dict[str, dict[str, Any]]]


def summarize(runs: Sequence[PlannedRun], split: str) -> Scores:
  """{corpus: {score: {"mean", "sd", "values"}}} of evaluated runs.

  The deviation is that of a sample, over N - 1; None of one run. A score that
  some run does not define (the correlation of a constant) is left out.
  """
  results = [run.run_dir.results(split)["corpora"] for run in runs]
  found: Scores = {}
  for corpus, scores in results[0].items():
    found[corpus] = {}
    for name, value in scores.items():
      values = [each[corpus].get(name) for each in results]
      if isinstance(value, float) and None not in values:
        found[corpus][name] = {
          "mean": float(np.mean(values)),
          "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
          "values": values,
        }
  return found


def write_seeds(
  root: pathlib.Path, runs: Sequence[PlannedRun], split: str
) -> dict[str, Any]:
  """Writes root/seeds.json and returns its content."""
  content = {
    "seeds": [*range(len(runs))],
    "split": split,
    "corpora": summarize(runs, split),
  }
  RunDir(root).write_seeds(content)
  return content


def write_ablation(
  root: pathlib.Path,
  rows: Sequence[Row],
  split: str,
  left_out: Mapping[str, str],
) -> dict[str, Any]:
  """Writes root/ablation.json of what is evaluated so far; returns it.

  Args:
    root: of the study.
    rows: the whole model first.
    split: whose scores.
    left_out: rows that do not apply, with the reason.
  """
  found = []
  whole = _evaluated(rows[0], split)
  for row in tqdm.tqdm(rows, desc="gathering", unit="row", disable=None):
    runs = _evaluated(row, split)
    if not runs:
      continue
    common = [] if row is rows[0] else sorted(runs.keys() & whole.keys())
    pairs = [(runs[k], whole[k]) for k in common]
    found.append(
      {
        "row": row.name,
        "title": row.title,
        "seeds": [*runs],
        "split": split,
        "corpora": summarize([*runs.values()], split),
        "differences": differences(pairs, split) if pairs else {},
      }
    )
  content = {"rows": found, "left_out": dict(left_out)}
  RunDir(root).write_ablation(content)
  return content


def differences(
  pairs: Sequence[tuple[PlannedRun, PlannedRun]], split: str
) -> dict[str, dict[str, list[float | None]]]:
  """First minus second, [value, low, high] of every score of every corpus.

  The value is the mean over the pairs, one for each seed. A resample draws
  utterances, and takes what all runs said of them.
  """
  tables = [(_rows(one, split), _rows(other, split)) for one, other in pairs]
  corpora = pairs[0][0].run_dir.results(split)["corpora"]
  found: dict[str, dict[str, list[float | None]]] = {}
  for corpus, scores in corpora.items():
    if any(corpus not in _corpora(side) for pair in tables for side in pair):
      continue
    found[corpus] = {}
    for field in ("intensity", "emotion"):
      classes = [*scores.get("per_class", ())]
      found[corpus] |= _compare(tables, corpus, field, classes)
  return found


def _compare(
  tables: Sequence[tuple[Mapping, Mapping]],
  corpus: str,
  field: str,
  classes: Sequence[str],
) -> dict[str, list[float | None]]:
  keys = [
    key
    for key, row in tables[0][0].items()
    if key[0] == corpus and row["targets"][field] is not None
  ]
  if not keys:
    return {}

  def mean_scores(side: int):
    scorers = []
    for pair in tables:
      rows = [_row_of(pair[side], key) for key in keys]
      rated = [(row["scored"][field], row["targets"][field]) for row in rows]
      scorers.append(scorer(field, rated, classes))

    def score(rows: np.ndarray) -> dict[str, float]:
      found = [each(rows) for each in scorers]
      return {
        name: float(np.mean([each[name] for each in found]))
        for name, value in found[0].items()
        if isinstance(value, float)
      }

    return score

  intervals = confidence.paired_bootstrap(
    mean_scores(0), mean_scores(1), len(keys)
  )
  return {
    name: [
      value if np.isfinite(value) else None
      for value in (each.value, each.low, each.high)
    ]
    for name, each in intervals.items()
  }


def _row_of(rows: Mapping, key: tuple[str, str]) -> Mapping[str, Any]:
  if key not in rows:
    raise InputError(
      f"Predictions: expected the same utterances in all runs, found no "
      f"{'/'.join(key)} in one of them. Evaluate all runs on the same data."
    )
  return rows[key]


def _corpora(rows: Mapping[tuple[str, str], Any]) -> set[str]:
  return {corpus for corpus, _ in rows}


def _evaluated(row: Row, split: str) -> dict[int, PlannedRun]:
  return {k: run for k, run in enumerate(row.runs) if run.is_evaluated(split)}


def _rows(
  run: PlannedRun, split: str
) -> dict[tuple[str, str], Mapping[str, Any]]:
  """(corpus, id) -> the prediction."""
  rows = run.run_dir.predictions(split)
  return {(row["corpus"], row["id"]): row for row in rows}
