"""Evaluates the best checkpoint of a run."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import logging

from unimse_cli import storage
from unimse_jax import pipeline
from unimse_jax.config import Config
from unimse_jax.errors import InputError
from unimse_jax.evaluation import board, results, selection
from unimse_jax.evaluation.evaluator import Evaluation, Evaluator
from unimse_jax.parallel import multihost
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.rundir import RunDir


def evaluate(
  config: Config,
  path: pathlib.Path,
  split: str,
  withhold: bool = False,
  missing: Sequence[float] = (),
  step: int | None = None,
) -> tuple[Evaluation, dict[str, Any], dict[str, Any]]:
  """Decodes a split with the best checkpoint of a workdir.

  Args:
    config: the run's config.
    path: directory of the run.
    split: train, validation or test; opening test is written down.
    withhold: decodes it again with each modality, and all of them, withheld.
    missing: decodes it again for each of these shares of modalities missing.
    step: number of the checkpoint; None for the best.

  Returns:
    The evaluation, which checkpoint it was made with, and its provenance.

  Raises:
    InputError: no run there, one of another config, or an empty split.
  """
  run_dir = RunDir(storage.absolute(path))
  run_dir.check_config(config)
  experiment = pipeline.open_run(config, run_dir)
  if not experiment.mixture.examples[split]:
    raise InputError(
      f"--split: no corpus of {', '.join(config.data.corpora)} has a "
      f"{split} split."
    )
  mesh = config_mesh(config)
  params, selected = pipeline.restore_params(
    experiment.pipeline, mesh, run_dir, step
  )
  source = results.provenance(experiment)
  opened = None
  if split == "test" and multihost.is_first():
    opened = results.record_opening(run_dir, selected["step"], source)
  evaluator = Evaluator(experiment, mesh)
  evaluation = evaluator.evaluate(params, split, with_probabilities=True)
  evaluation = dataclasses.replace(evaluation, test_openings=opened)
  if withhold:
    withheld = evaluator.evaluate_withheld(params, split)
    evaluation = dataclasses.replace(evaluation, withheld=withheld)
  if missing:
    scores = evaluator.evaluate_missing(params, split, missing)
    evaluation = dataclasses.replace(evaluation, missing=scores)
  selected |= _selection(config, run_dir, selected)
  return evaluation, selected, source


def _selection(
  config: Config, run_dir: RunDir, selected: Mapping[str, Any]
) -> dict[str, Any]:
  """By which rule a step was selected, and what others would have chosen.

  Args:
    config: the run's config.
    run_dir: the run.
    selected: checkpoint that was chosen, as `restore_params` returns it.
  """
  rule = config.train.selection
  evaluations = run_dir.evaluations()
  validation = evaluations["validation"]
  report = {
    "rule": selection.RULES[rule],
    "best_per_score": selection.best_per_score(
      [line["step"] for line in validation],
      [selection.scores_of(line) for line in validation],
    ),
  }
  if rule == "best_on_test":
    report["banner"] = selection.BANNER
    logging.warning(selection.BANNER)
  if selected["checkpoint"] != "chosen":
    lost = selection.lost_best(
      rule, evaluations[selection.split_of(rule)], selected["step"]
    )
    if lost is not None:
      report["lost_best_step"] = lost
      logging.warning(
        "The best evaluation was at step %d, and its checkpoint is not in %s: "
        "step %d is the best of those that are.",
        *(lost, run_dir.checkpoints, selected["step"]),
      )
  return report


def write(
  config: Config,
  path: pathlib.Path,
  split: str,
  run: tuple[Evaluation, dict[str, Any], dict[str, Any]],
) -> None:
  """Writes what `evaluate` returned to the run, for TensorBoard too."""
  evaluation, selected, _ = run
  run_dir = RunDir(storage.absolute(path))
  results.write(run_dir, split, *run)
  board.write(
    run_dir.tensorboard(split), split, evaluation, selected["step"], config
  )
