"""Trains and evaluates one config with several seeds."""

import pathlib
from collections.abc import Sequence
from typing import Any

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
  more: Sequence[str],
) -> int:
  """Evaluates those that are not, gathers all and prints means.

  A run whose newest checkpoint is evaluated is not again: its test split
  would be opened once more.
  """
  flags = ("--split", split, *more)
  waiting = [run for run in runs if not run.is_evaluated(split)]
  status = launch.run_all([run.command("eval", *flags) for run in waiting])
  if status:
    return status
  # Here, as it imports JAX, which the children need no waiting for.
  from unimse_jax.study import gather

  content = gather.write_seeds(root, runs, split)
  print(table(content))
  print(f"\nWritten: {RunDir(root).seeds_file}")
  return 0


def table(content: dict[str, Any]) -> str:
  """Means and deviations, as fractions."""
  lines = [f"{content['split']}, {len(content['seeds'])} seed(s)"]
  for corpus, scores in content["corpora"].items():
    for name, each in scores.items():
      deviation = "" if each["sd"] is None else f" +- {each['sd']:.4f}"
      lines.append(f"  {corpus:16} {name:12} {each['mean']:.4f}{deviation}")
  return "\n".join(lines)
