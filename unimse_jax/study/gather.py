"""Scores of several runs: means, deviations, differences with intervals."""

import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tqdm
from absl import logging

from unimse_jax.checkpoints.step_directory import StepDirectory
from unimse_jax.evaluation import comparison
from unimse_jax.rundir import RunDir
from unimse_jax.rundir.event_file import read_scalars
from unimse_jax.study.plan import PlannedRun, Row
from unimse_jax.tables import reservations

_SECONDS = "train/seconds_a_step"  # of the trainer
Scores = dict[str, dict[str, dict[str, Any]]]


def summarize(runs: Sequence[PlannedRun], split: str) -> Scores:
  """{corpus: {score: {"mean", "sd", "values"}}} of evaluated runs.

  The deviation is that of a sample, over N - 1; None for a single run. A score
  that some run does not define (the correlation of a constant) is left out.
  """
  results = [run.run_dir.results(split)["corpora"] for run in runs]
  summary: Scores = {}
  for corpus, scores in results[0].items():
    summary[corpus] = {}
    for name, value in scores.items():
      values = [each[corpus].get(name) for each in results]
      if isinstance(value, float) and None not in values:
        summary[corpus][name] = {
          "mean": float(np.mean(values)),
          "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
          "values": values,
        }
  return summary


def write_seeds(
  root: pathlib.Path, runs: Sequence[PlannedRun], split: str
) -> dict[str, Any]:
  """Writes root/seeds.json and returns its content."""
  before = RunDir(root).seeds()
  if before and before["split"] != split:
    logging.warning(
      "%s: the means on %s take the place of those on %s; eval with --split %s "
      "brings them back, and evaluates no run again.",
      *(RunDir(root).seeds_file, split, before["split"], before["split"]),
    )
  content = {
    "seeds": [*range(len(runs))],
    "split": split,
    "corpora": summarize(runs, split),
    **_standing(runs, split),
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
    root: directory of the study.
    rows: rows of the ablation, the whole model first.
    split: split whose scores are gathered.
    left_out: rows that do not apply to the parent -> reason.
  """
  gathered = []
  whole = _evaluated(rows[0], split)
  for row in tqdm.tqdm(rows, desc="gathering", unit="row", disable=None):
    runs = _evaluated(row, split)
    if not runs:
      continue
    common = [] if row is rows[0] else sorted(runs.keys() & whole.keys())
    pairs = [(runs[k].run_dir, whole[k].run_dir) for k in common]
    compared = comparison.compare(pairs, split) if pairs else None
    gathered.append(
      {
        "row": row.name,
        "title": row.title,
        "seeds": [*runs],
        "split": split,
        "corpora": summarize([*runs.values()], split),
        **_standing([*runs.values()], split),
        "differences": compared.differences if compared else {},
        "resampled": compared.resampled if compared else {},
        "commits": _commits([*runs.values()], split),
        "system": next(iter(runs.values())).config.rival.system,
        **_cost([*runs.values()]),
      }
    )
  commits = {each for row in gathered for each in row["commits"]}
  if len(commits) > 1:
    logging.warning(
      "The rows in %s were scored by %d versions of the code (%s): what "
      "differs between them may be the code's.",
      *(root, len(commits), ", ".join(sorted(commits))),
    )
  content = {"rows": gathered, "left_out": dict(left_out)}
  RunDir(root).write_ablation(content)
  return content


def _evaluated(row: Row, split: str) -> dict[int, PlannedRun]:
  return {k: run for k, run in enumerate(row.runs) if run.is_evaluated(split)}


def _standing(runs: Sequence[PlannedRun], split: str) -> dict[str, Any]:
  """What tells whether the scores may stand beside others'.

  Returns:
    "reservations": sentences that hold for any of the runs; "n": corpus ->
    utterances that are rated, for intensity where there are such.
  """
  results = [run.run_dir.results(split) for run in runs]
  reasons = [each for one in results for each in reservations.of_results(one)]
  return {
    "reservations": [*dict.fromkeys(reasons)],
    "n": {
      name: scores.get("n_intensity") or scores.get("n_emotion")
      for name, scores in results[0]["corpora"].items()
    },
  }


def _commits(runs: Sequence[PlannedRun], split: str) -> list[str]:
  """Of the code that scored the runs, where it was a checkout."""
  sources = [run.run_dir.results(split)["provenance"] for run in runs]
  return sorted({each.get("commit") or "" for each in sources} - {""})


def _cost(runs: Sequence[PlannedRun]) -> dict[str, Any]:
  """What a row's model is and takes.

  Returns:
    "parameters": their number; "seconds_a_step": median over the logged steps
    of all runs, waiting and other work of the machine included. None of a
    model that is not trained by steps, or by an older version.
  """
  sizes = [_parameters(run.run_dir) for run in runs]
  seconds = [
    each
    for run in runs
    for each in read_scalars(run.run_dir.tensorboard(), _SECONDS)
  ]
  return {
    "parameters": sizes[0],
    "seconds_a_step": float(np.median(seconds)) if seconds else None,
  }


def _parameters(run_dir: RunDir) -> int | None:
  """Number of the model's parameters; None without a checkpoint."""
  manifests = StepDirectory(run_dir.checkpoints).manifests()
  if not manifests:
    return None
  shapes = manifests[max(manifests)]["arrays"]  # path -> "float32[4, 8]"
  return sum(
    math.prod(json.loads(text[text.index("[") :]))
    for path, text in shapes.items()
    if path.startswith("params/")
  )
