"""Evaluates the workdir of a training run."""

import dataclasses
import pathlib
from typing import Any

from absl import logging

from unimse_jax import config as config_lib
from unimse_jax import experiment as experiment_lib
from unimse_jax import pipeline
from unimse_jax.config import Config
from unimse_jax.errors import InputError
from unimse_jax.evaluation import openings, results, selection
from unimse_jax.evaluation.evaluator import Evaluation, Evaluator
from unimse_jax.parallel import multihost
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.training import board, workdir
from unimse_jax.training.writer import read_scores


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
  workdir.check_same_config(
    path, config_lib.to_dict(config), config_lib.FREE_FIELDS
  )
  experiment = experiment_lib.open_experiment(config, path)
  if not experiment.mixture.examples[split]:
    raise InputError(
      f"--split: no corpus of {', '.join(config.data.corpora)} has a "
      f"{split} split."
    )
  mesh = make_mesh(**vars(config.parallel))
  params, selected = pipeline.restore_params(experiment.pipeline, mesh, path)
  source = results.provenance(experiment)
  opened = None
  if split == "test" and multihost.is_first():
    opened = openings.record(path, selected["step"], source)
  evaluator = Evaluator(experiment, mesh)
  found = evaluator.evaluate(params, split, with_probabilities=True)
  found = dataclasses.replace(found, test_openings=opened)
  if withhold:
    withheld = evaluator.evaluate_withheld(params, split)
    found = dataclasses.replace(found, withheld=withheld)
  return found, selected | _selection(config, path, selected["step"]), source


def _selection(config: Config, path: pathlib.Path, step: int) -> dict[str, Any]:
  """By which rule a step was selected, and what others would have chosen."""
  rule = config.train.selection
  steps, scores = read_scores(path, "validation", step)
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
) -> pathlib.Path:
  """Writes what `evaluate` returned, for TensorBoard too; the results' path."""
  found, selected, _ = run
  file = results.write(path, split, *run)
  board.write(path, split, found, selected["step"], config)
  return file
