"""What is kept of an evaluation: scores, predictions, openings of test."""

import datetime
import importlib.metadata
import platform
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from absl import logging

from unimse_jax import config as config_lib
from unimse_jax.checkout import commit
from unimse_jax.config import Config
from unimse_jax.data.mixture import Mixture
from unimse_jax.evaluation.evaluator import Evaluation
from unimse_jax.pipeline import Experiment
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.rundir import RunDir

# What stands for the checkpoint where another program made the predictions.
EXTERNAL = "external"
_PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "numpy")


def provenance(experiment: Experiment) -> dict[str, Any]:
  """Where a score of a run comes from, see `source_of`."""
  return source_of(experiment.config, experiment.mixture)


def source_of(config: Config, mixture: Mixture) -> dict[str, Any]:
  """Where a score comes from: config, data hashes, versions, commit."""
  return {
    "config": config_lib.to_dict(config),
    "seed": config.seed,
    "data": mixture.provenance,
    "versions": {name: importlib.metadata.version(name) for name in _PACKAGES}
    | {"python": platform.python_version()},
    "commit": commit(),
    "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
  }


def write(
  run_dir: RunDir,
  split: str,
  evaluation: Evaluation,
  selection: dict[str, Any],
  source: dict[str, Any],
) -> None:
  """Writes scores, predictions and, where there are any, embeddings.

  Args:
    run_dir: directory of the run that was evaluated.
    split: train, validation or test.
    evaluation: evaluation of that split.
    selection: checkpoint that was scored, and the rule that chose it.
    source: provenance of the scores, from `provenance`.
  """
  results = {
    "corpora": evaluation.corpora,
    "decoding": evaluation.decoding,
    "selection": selection,
    "provenance": source,
  }
  if evaluation.withheld:
    results["withheld"] = evaluation.withheld
  if evaluation.missing:
    results["missing"] = evaluation.missing
  if evaluation.test_openings is not None:
    results["test_openings"] = evaluation.test_openings
  pairs = zip(evaluation.predictions, evaluation.scored, strict=True)
  embeddings = [each.embedding for each in evaluation.predictions]
  absent = any(each is None for each in embeddings)
  run_dir.write_results(
    split,
    results,
    [_row(each, scored, evaluation.donor_texts) for each, scored in pairs],
    None if absent else np.stack(embeddings),
  )


def record_opening(run_dir: RunDir, step: int, source: dict[str, Any]) -> int:
  """Writes down that the test split is scored; warns from the second time on.

  Whoever scores the test split again and again, and keeps the best, selects
  on it. So every opening is written down before a score is seen.

  Args:
    run_dir: directory of the run that is evaluated.
    step: number of the checkpoint that is scored.
    source: provenance of the scores; its commit is kept.

  Returns:
    The number of openings, this one included.
  """
  count = count_opening(run_dir, step, source)
  if count > 1:
    logging.warning(
      "The test split of %s has now been scored %d times: choose nothing by "
      "its scores (%s tells when it was).",
      run_dir.path,
      count,
      run_dir.openings_file,
    )
  return count


def count_opening(run_dir: RunDir, step: int, source: dict[str, Any]) -> int:
  """`record_opening` without its warning, for a run that says so once."""
  now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
  return run_dir.add_opening(
    {"time": now, "commit": source["commit"], "step": step}
  )


def _row(
  prediction: Prediction,
  scored: dict[str, Any],
  donor_texts: Mapping[str, str],
) -> dict[str, Any]:
  record = prediction.record
  return {
    "id": record.id,
    "corpus": record.corpus,
    "dialogue": record.dialogue,
    "speaker": record.speaker,
    "text": record.text,
    "output": prediction.output,
    "malformed": prediction.parsed.malformed,
    "fields": dict(prediction.parsed.fields),
    "intensity": dict(prediction.estimates),
    "probabilities": prediction.probabilities,
    "scored": scored,
    "donors": {
      slot: {key: donor[key] for key in ("donor", "similarity")}
      | {"text": donor_texts.get(donor["donor"])}
      for slot, donor in (record.label.donors.items() if record.label else ())
    },
    "targets": record.targets,
  }
