"""Evaluates the best checkpoint of a run."""

import dataclasses
import pathlib
from typing import Any

from absl import logging

from unimse_jax import config as config_lib
from unimse_jax import pipeline
from unimse_jax.config import Config
from unimse_jax.errors import InputError
from unimse_jax.evaluation import board, results, selection
from unimse_jax.evaluation.evaluator import Evaluation, Evaluator
from unimse_jax.parallel import multihost
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.rundir import RunDir


def evaluate(
  config: Config, path: pathlib.Path, split: str, withhold: bool = False
) -> tuple[Evaluation, dict[str, Any], dict[str, Any]]:
  """Decodes a split with the best checkpoint of a workdir.

  Args:
    config: of the run.
    path: its workdir.
    split: train, validation or test; opening test is written down.
    withhold: decodes it again with each modality, and all of them, withheld.

  Returns:
    The evaluation, which checkpoint it was made with, and its provenance.

  Raises:
    InputError: no run there, one of another config, or an empty split.
  """
  run_dir = RunDir(path.absolute())
  run_dir.check_config(config_lib.to_dict(config), config_lib.FREE_FIELDS)
  experiment = pipeline.open_run(config, run_dir)
  if not experiment.mixture.examples[split]:
    raise InputError(
      f"--split: no corpus of {', '.join(config.data.corpora)} has a "
      f"{split} split."
    )
  mesh = config_mesh(config)
  params, selected = pipeline.restore_params(experiment.pipeline, mesh, run_dir)
  source = results.provenance(experiment)
  opened = None
  if split == "test" and multihost.is_first():
    opened = results.record_opening(run_dir, selected["step"], source)
  evaluator = Evaluator(experiment, mesh)
  found = evaluator.evaluate(params, split, with_probabilities=True)
  found = dataclasses.replace(found, test_openings=opened)
  if withhold:
    withheld = evaluator.evaluate_withheld(params, split)
    found = dataclasses.replace(found, withheld=withheld)
  selected |= _selection(config, run_dir, selected["step"])
  return found, selected, source


def _selection(config: Config, run_dir: RunDir, step: int) -> dict[str, Any]:
  """By which rule a step was selected, and what others would have chosen."""
  rule = config.train.selection
  steps, scores = run_dir.scores("validation", step)
  found = {
    "rule": selection.RULES[rule],
    "best_per_score": selection.best_per_score(steps, scores),
  }
  if rule == "best_on_test":
    found["banner"] = selection.BANNER
    logging.warning(selection.BANNER)
  return found


def write(
  config: Config,
  path: pathlib.Path,
  split: str,
  run: tuple[Evaluation, dict[str, Any], dict[str, Any]],
) -> None:
  """Writes what `evaluate` returned to the run, for TensorBoard too."""
  found, selected, _ = run
  run_dir = RunDir(path.absolute())
  results.write(run_dir, split, *run)
  board.write(
    run_dir.tensorboard(split), split, found, selected["step"], config
  )
