"""What an emotion corpus's rare classes gain, on runs that are trained.

  python tests/benchmarks/rare_classes.py RUN [RUN ...] [--powers 0,0.5,1]

The runs are seeds of one setting. Each is decoded once a split with its best
checkpoint, and its emotions are chosen by every power of
decoding.logit_adjustment; 0 is what the run's own evaluation says where the
field is off. Prints, of validation and test, accuracy, weighted F1, macro F1
and the recall of each class, the mean and the runs; appends a JSON line for
each run, split and power to --out. Scoring test is written down in the run.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from unimse_jax import pipeline as pipeline_lib  # noqa: E402
from unimse_jax.evaluation import results  # noqa: E402
from unimse_jax.evaluation.evaluator import Evaluator  # noqa: E402
from unimse_jax.evaluation.scoring import (  # noqa: E402
  score_corpora,
  scored_values,
)
from unimse_jax.pipeline.mesh import config_mesh  # noqa: E402
from unimse_jax.prediction import adjustment  # noqa: E402
from unimse_jax.rundir import RunDir  # noqa: E402

_SPLITS = ("validation", "test")
_SCORES = ("acc", "wf1", "macro_f1")


def score(
  run_dir: RunDir, powers: list[float]
) -> Iterator[tuple[str, str, float, dict[str, Any]]]:
  """(split, corpus, power, scores) of a run's best checkpoint."""
  config = run_dir.read_config()
  assert not config.decoding.logit_adjustment, "powers come from --powers"
  experiment = pipeline_lib.open_run(config, run_dir)
  mesh = config_mesh(config)
  params, selected = pipeline_lib.restore_params(
    experiment.pipeline, mesh, run_dir
  )
  evaluator = Evaluator(experiment, mesh)
  counts = experiment.pipeline.class_counts
  for split in _SPLITS:
    if split == "test":
      source = results.provenance(experiment)
      results.record_opening(run_dir, selected["step"], source)
    predictions = evaluator.predict(params, split, with_probabilities=True)
    for power in powers:
      changed = predictions
      if power:
        changed = adjustment.adjust(predictions, counts, power)
      scored = scored_values(changed, experiment.mixture)
      corpora = score_corpora(changed, scored, experiment.mixture)
      for corpus, scores in corpora.items():
        if "per_class" in scores:
          yield split, corpus, power, {"step": selected["step"], **scores}


def row(scores: dict[str, Any]) -> dict[str, float]:
  """Column -> number of the printed table."""
  columns = {name: scores[name] for name in _SCORES}
  return columns | {
    name: each["recall"] for name, each in scores["per_class"].items()
  }


def main() -> int:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("runs", nargs="+", type=pathlib.Path)
  parser.add_argument("--powers", default="0,0.5,1")
  parser.add_argument("--out", type=pathlib.Path)
  arguments = parser.parse_args()
  powers = [float(each) for each in arguments.powers.split(",")]
  found: dict[tuple, list[dict[str, float]]] = {}
  for path in arguments.runs:
    for split, corpus, power, scores in score(RunDir(path), powers):
      found.setdefault((corpus, split, power), []).append(row(scores))
      if arguments.out:
        line = {"run": path.name, "split": split, "corpus": corpus}
        line |= {"power": power, "scores": scores}
        with arguments.out.open("a", encoding="utf-8") as file:
          file.write(json.dumps(line) + "\n")
  for (corpus, split, power), rows in found.items():
    print(f"\n{corpus}, {split}, power {power:g}, {len(rows)} runs")
    for name in rows[0]:
      values = [each[name] for each in rows]
      print(f"  {name:10} {np.mean(values):.3f}  {np.round(values, 3)}")
  return 0


if __name__ == "__main__":
  sys.exit(main())
