"""Trains and evaluates every ablation row that has no results yet."""

import pathlib
from collections.abc import Mapping, Sequence

from absl import logging

from unimse_jax.errors import InputError
from unimse_jax.rundir import RunDir
from unimse_jax.study import launch
from unimse_jax.study.plan import PlannedRun, Row


def commands(
  rows: Sequence[Row], split: str, left_out: Mapping[str, str]
) -> list[str]:
  """What is left to do, a line for each: labels first, then run after run.

  The rows that are left out come last, as comments with the reason.
  """
  _check_labels(rows)
  runs = _waiting(rows, split)
  labels = [launch.labels_command(run) for run in runs]
  lines = [launch.written(each) for each in labels if each]
  # The seeds of a row share their labels.
  lines = [*dict.fromkeys(lines)]
  for run in runs:
    lines.append(" && ".join(map(launch.written, run.commands(split))))
  return lines + [
    f"# left out: {name}: {' '.join(reason.split())}"
    for name, reason in left_out.items()
  ]


def run(
  rows: Sequence[Row],
  root: pathlib.Path,
  split: str,
  left_out: Mapping[str, str],
  before: Sequence[Row] = (),
) -> int:
  """Runs what is left and gathers all.

  A run that fails does not stop the others.

  Args:
    rows: rows that are asked for, the whole model first.
    root: directory of the study.
    split: split to score.
    left_out: rows that do not apply to the parent -> reason.
    before: rows that were asked for before; they stay, where their results
      still are those of this parent and split, and are not run.

  Returns:
    0; the status of a run that was stopped by a signal; or 1 if some failed.

  Raises:
    InputError: a row has labels by other rules than the whole model's.
  """
  _check_labels(rows)
  for name, reason in left_out.items():
    logging.warning("Row %s is left out: %s", name, reason)
  failed = []
  for each in _waiting(rows, split):
    status = _one(each, split)
    if status in launch.STOPPED:
      return abs(status)
    if status:
      failed.append(str(each.run_dir.path))
  from unimse_jax.study import gather

  content = gather.write_ablation(root, [*rows, *before], split, left_out)
  done = {each["row"] for each in content["rows"]}
  for row in before:
    if row.name not in done:
      logging.warning(
        "Row %s goes from %s: it has no %s results of this parent.",
        *(row.name, RunDir(root).ablation_file, split),
      )
  file, rows_done = RunDir(root).ablation_file, len(content["rows"])
  print(f"Written: {file} with {rows_done} rows")
  if failed:
    logging.error("Failed, see above; run again to retry: %s", failed)
  return int(bool(failed))


def _check_labels(rows: Sequence[Row]) -> None:
  """Of rows that are done too: they are compared with the others."""
  for row in rows:
    launch.check_rules(row.runs[0])


def _waiting(rows: Sequence[Row], split: str) -> list[PlannedRun]:
  return [
    run for row in rows for run in row.runs if not run.is_evaluated(split)
  ]


def _one(run: PlannedRun, split: str) -> int:
  labels = launch.labels_command(run)
  if labels:
    try:
      status = launch.make_labels(labels)
    except InputError as error:  # the other rows need no exporter
      logging.error("%s", error)
      return 2
    if status:
      return status
  return launch.run_all(run.commands(split))
