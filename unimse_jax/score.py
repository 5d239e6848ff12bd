"""Scores the predictions of any model on exported records.

python -m unimse_jax.score --data DATA_DIR --corpora meld \
    --predictions mine.jsonl --out scores/mine [--against RUN ...]

The predictions are JSON lines or CSV, a row for each record of the split:
{"id": "dia0_utt0", "emotion": "joy", "intensity": 1.2}. They are scored as
those of unimse_jax.eval are, written to --out as a run's results are, and
compared with other runs or scored files on the same records.
"""

import sys

from absl import flags

from unimse_cli.storage import user_path
from unimse_jax import command_line
from unimse_jax.errors import InputError

_DATA = flags.DEFINE_string(
  "data", None, "Folder that feature_export.export wrote.", required=True
)
_CORPORA = flags.DEFINE_list(
  "corpora", None, "Corpora to score, joined by commas.", required=True
)
_SPLIT = flags.DEFINE_enum(
  "split", "test", ["train", "validation", "test"], "Split to score."
)
_PREDICTIONS = flags.DEFINE_string(
  "predictions", None, "JSON lines or .csv, a row for each record.",
  required=True,
)  # fmt: skip
_OUT = flags.DEFINE_string(
  "out", None, "Directory for scores, tables and the page.", required=True
)
_AGAINST = flags.DEFINE_multi_string(
  "against", [], "Runs, or earlier --out directories, to compare with."
)
_NAME = flags.DEFINE_string(
  "name", None, "Name of the model in tables; default: that of --out."
)
_MISSING = flags.DEFINE_bool(
  "allow_missing", False, "Counts records without a prediction as malformed."
)


def main() -> int:
  from unimse_jax.evaluation import external, results
  from unimse_jax.reporting import page, score_tables
  from unimse_jax.rundir import RunDir
  from unimse_jax.tables import writers

  out, path = user_path(_OUT.value), user_path(_PREDICTIONS.value)
  run_dir = RunDir(out)
  if run_dir.exists():
    raise InputError(
      f"--out: expected a directory of its own, found the training run {out}"
    )
  against = [user_path(each) for each in _AGAINST.value]
  mixture = external.open_records(_DATA.value, _CORPORA.value)
  evaluation = external.evaluate(
    external.read(path, mixture), mixture, _SPLIT.value, _MISSING.value
  )
  name = _NAME.value or out.name
  source = external.provenance(path, _DATA.value, name, mixture)
  results.write(
    *(run_dir, _SPLIT.value, evaluation),
    *({"checkpoint": results.EXTERNAL}, source),
  )
  stored = run_dir.results(_SPLIT.value)
  print(score_tables.results_text(stored, _SPLIT.value))
  run, sections = page.gather(
    out, against, page.NO_PROJECTION, split=_SPLIT.value
  )
  written = page.save(out, run, sections)
  for section in sections:
    if section.slug == "comparison":
      for table in section.tables:
        print(f"\n{writers.to_text(table)}")
  print(
    f"\nWritten: {run_dir.results_file(_SPLIT.value)}, "
    f"{run_dir.predictions_file(_SPLIT.value)} and {written}"
  )
  return 0


if __name__ == "__main__":
  sys.argv = command_line.repeat_flag(sys.argv, "against")
  command_line.run(main)
