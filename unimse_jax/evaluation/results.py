"""The results and predictions files of a workdir (design 4.5)."""

import importlib.metadata
import io
import json
import math
import pathlib
import platform
import subprocess
from typing import Any

import jax
import numpy as np

from unimse_jax import config as config_lib
from unimse_jax.evaluation.evaluator import Evaluation
from unimse_jax.evaluation.scoring import LabelledExample, targets
from unimse_jax.experiment import Experiment
from unimse_jax.files import write_atomically

_PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "numpy")


def provenance(experiment: Experiment) -> dict[str, Any]:
  """Where a score comes from: config, data hashes, versions, commit."""
  return {
    "config": config_lib.to_dict(experiment.config),
    "seed": experiment.config.seed,
    "data": experiment.mixture.provenance,
    "versions": {name: importlib.metadata.version(name) for name in _PACKAGES}
    | {"python": platform.python_version()},
    "commit": _commit(),
    "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
  }


def _commit() -> str | None:
  """The checkout's commit, with "+" where files differ; None outside one."""
  here = pathlib.Path(__file__).parent
  try:
    return subprocess.run(
      ["git", "describe", "--always", "--abbrev=40", "--dirty=+"],
      cwd=here,
      capture_output=True,
      text=True,
      check=True,
    ).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    return None


def write(
  workdir: pathlib.Path,
  split: str,
  evaluation: Evaluation,
  selection: dict[str, Any],
  source: dict[str, Any],
) -> pathlib.Path:
  """Writes results/<split>.json and predictions/<split>.jsonl.

  Beside the predictions goes <split>_embeddings.npz, `embeddings`
  float32[N, D] in their order, where the evaluation has them.

  A score that is not a number (a constant's correlation) becomes null.

  Returns:
    The path of the results.
  """
  results = {
    "corpora": evaluation.corpora,
    "decoding": evaluation.decoding,
    "selection": selection,
    "provenance": source,
  }
  if evaluation.withheld:
    results["withheld"] = evaluation.withheld
  if evaluation.test_openings is not None:
    results["test_openings"] = evaluation.test_openings
  pairs = zip(evaluation.predictions, evaluation.scored, strict=True)
  lines = [json.dumps(_row(each, scored)) for each, scored in pairs]
  rows = workdir / "predictions" / f"{split}.jsonl"
  path = workdir / "results" / f"{split}.json"
  text = json.dumps(_finite(results), indent=2, allow_nan=False)
  for file, content in ((rows, "\n".join(lines)), (path, text)):
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, f"{content}\n".encode())
  _write_embeddings(rows.with_name(f"{split}_embeddings.npz"), evaluation)
  return path


def _write_embeddings(path: pathlib.Path, evaluation: Evaluation) -> None:
  found = [each.labelled.embedding for each in evaluation.predictions]
  if any(each is None for each in found):
    # Those of an earlier evaluation would stand beside other predictions.
    path.unlink(missing_ok=True)
    return
  buffer = io.BytesIO()
  np.savez(buffer, embeddings=np.stack(found))
  write_atomically(path, buffer.getvalue())


def _row(prediction: LabelledExample, scored: dict[str, Any]) -> dict[str, Any]:
  labelled = prediction.labelled
  return {
    "id": prediction.example.record.id,
    "corpus": prediction.example.corpus,
    "text": prediction.example.record.text,
    "output": labelled.output,
    "malformed": labelled.parsed.malformed,
    "fields": dict(labelled.parsed.fields),
    "intensity": dict(labelled.intensity),
    "probabilities": labelled.probabilities,
    "scored": scored,
    "donors": {
      slot: {key: donor[key] for key in ("donor", "similarity")}
      for slot, donor in prediction.example.donors.items()
    },
    "targets": targets(prediction.example),
  }


def _finite(value: Any) -> Any:
  if isinstance(value, dict):
    return {key: _finite(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [_finite(item) for item in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
