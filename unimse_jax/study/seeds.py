"""Trains and evaluates one config with several seeds."""

import pathlib
from collections.abc import Sequence

from unimse_jax.rundir import RunDir
from unimse_jax.study import launch
from unimse_jax.study.plan import PlannedRun


def train(runs: Sequence[PlannedRun]) -> int:
  """Trains, or goes on training, run after run; the first failure's status."""
  return launch.run_all([run.command("train") for run in runs])


def evaluate(
  runs: Sequence[PlannedRun],
  root: pathlib.Path,
  split: str,
  withheld: bool,
  shares: Sequence[float],
) -> int:
  """Evaluates the runs that have no results yet, gathers all, prints means.

  A run whose newest checkpoint is evaluated is left alone: its test split
  would be opened once more. It is, where shares are asked for that it lacks.

  Args:
    runs: runs of one config, a seed each.
    root: directory above them, for seeds.json.
    split: split to score.
    withheld: whether modalities are withheld too, as in `unimse_jax.eval`.
    shares: of modalities that are missing, as its --missing.

  Returns:
    0, or the status of the first evaluation that failed.
  """
  flags = ["--split", split, *(() if withheld else ("--nowithheld",))]
  if shares:
    flags += ["--missing", ",".join(map(str, shares))]
  waiting = [
    run
    for run in runs
    if not run.is_evaluated(split) or _lacks(run, split, shares)
  ]
  status = launch.run_all([run.command("eval", *flags) for run in waiting])
  if status:
    return status
  # Here, as it imports JAX, which the children need no waiting for.
  from unimse_jax.reporting import score_tables
  from unimse_jax.study import gather
  from unimse_jax.tables import writers

  content = gather.write_seeds(root, runs, split)
  tables = score_tables.seed_tables(content)
  print("\n\n".join(map(writers.to_text, tables)))
  print(f"\nWritten: {RunDir(root).seeds_file}")
  return 0


def _lacks(run: PlannedRun, split: str, shares: Sequence[float]) -> bool:
  found = run.run_dir.results(split).get("missing") or {}
  return not {f"{share:g}" for share in shares} <= found.keys()
