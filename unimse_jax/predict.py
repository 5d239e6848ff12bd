"""Predicts universal labels for the records of an exported corpus.

python -m unimse_jax.predict --workdir DIR --features DATA_DIR
    --corpus NAME [--split test] --output predictions.jsonl
"""

import pathlib

from absl import flags

from unimse_jax import command_line

_WORKDIR = flags.DEFINE_string("workdir", None, "The run.", required=True)
_FEATURES = flags.DEFINE_string(
  "features", None, "Where feature_export.export wrote.", required=True
)
_CORPUS = flags.DEFINE_string("corpus", None, "Which corpus.", required=True)
_SPLIT = flags.DEFINE_enum(
  "split", "test", ["train", "validation", "test"], "Which split."
)
_OUTPUT = flags.DEFINE_string(
  "output", "predictions.jsonl", "JSON lines: id, fields and probabilities."
)


def main() -> int:
  from unimse_jax.prediction import corpus

  output = pathlib.Path(_OUTPUT.value)
  count = corpus.predict(
    _WORKDIR.value, _FEATURES.value, _CORPUS.value, _SPLIT.value, output
  )
  print(f"Written: {count} predictions to {output}")
  return 0


if __name__ == "__main__":
  command_line.run(main)
