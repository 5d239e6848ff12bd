"""Predicts universal labels for clips, or for the records of a corpus.

python -m unimse_jax.predict --workdir DIR --input clips.jsonl
python -m unimse_jax.predict --model owner/name --input clips.jsonl
python -m unimse_jax.predict --workdir DIR --features DATA_DIR --corpus NAME
    [--split test] [--output predictions.jsonl]

Exit status: 0 all rows answered, 3 some rows hold an error, 2 no output.
"""

import sys

from absl import flags

from unimse_jax import command_line
from unimse_jax.errors import InputError

_WORKDIR = flags.DEFINE_string("workdir", None, "The run.")
_MODEL = flags.DEFINE_string(
  "model",
  None,
  "Instead of a run: a package, or owner/name[@revision] of the hub.",
)
_INPUT = flags.DEFINE_string(
  "input", None, "JSON lines of clips with raw media; - for stdin."
)
_FEATURES = flags.DEFINE_string(
  "features", None, "Folder that feature_export.export wrote."
)
_CORPUS = flags.DEFINE_string("corpus", None, "Corpus of --features.")
_SPLIT = flags.DEFINE_enum(
  "split", "test", ["train", "validation", "test"], "Split of the corpus."
)
_OUTPUT = flags.DEFINE_string(
  "output", "predictions.jsonl", "JSON lines; - for stdout."
)
_BATCH_SIZE = flags.DEFINE_integer(
  "batch_size", None, "Number of clips decoded at once; default: the run's own."
)
_DEVICES = flags.DEFINE_integer("devices", 0, "Number of devices; 0: all.")
_JOBS = flags.DEFINE_integer(
  "jobs", 1, "Number of processes that extract --input."
)
_WEIGHTS = flags.DEFINE_string(
  "backbone_weights",
  None,
  "Weights file of the face network, if not the default.",
)
SOME_FAILED = 3  # exit status


def main() -> int:
  if (_INPUT.value is None) == (_FEATURES.value is None):
    raise InputError("expected one of --input and --features.")
  if (_FEATURES.value is None) != (_CORPUS.value is None):
    raise InputError("expected --corpus with --features, and only there.")
  if (_WORKDIR.value is None) == (_MODEL.value is None):
    raise InputError("expected one of --workdir and --model.")
  from unimse_jax.prediction import Predictor, corpus

  if _MODEL.value is None:
    opener, source = Predictor.from_workdir, _WORKDIR.value
  else:
    opener, source = Predictor.from_pretrained, _MODEL.value
  predictor = opener(
    source, _BATCH_SIZE.value, _DEVICES.value, _WEIGHTS.value, _JOBS.value
  )
  if _INPUT.value is not None:
    count = corpus.predict_media(predictor, _INPUT.value, _OUTPUT.value)
  else:
    count = corpus.predict_records(
      predictor, _FEATURES.value, _CORPUS.value, _SPLIT.value, _OUTPUT.value
    )
  # Not on stdout, where the predictions themselves may go.
  print(
    f"Written: {count.rows} predictions to {_OUTPUT.value}"
    + (f", {count.errors} of them an error" if count.errors else ""),
    file=sys.stderr,
  )
  return SOME_FAILED if count.errors else 0


if __name__ == "__main__":
  command_line.run(main)
