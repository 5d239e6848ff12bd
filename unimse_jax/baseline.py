"""Fits a classical model on a config's corpora and scores it.

python -m unimse_jax.baseline --config configs/rivals/tfidf.py:demo
    [--workdir DIR] [--split test]

Nothing is trained by steps and nothing but the scores is kept.
"""

from absl import flags

from unimse_cli.storage import user_path
from unimse_jax import command_line

_CONFIG = command_line.define_config()
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Where the scores go; runs/<name of the config> if unset."
)
_SPLIT = flags.DEFINE_enum(
  "split", "test", ["validation", "test"], "What to score."
)


def main() -> int:
  config = command_line.read_config(_CONFIG)
  workdir = user_path(_WORKDIR.value or f"runs/{config.name}")
  from unimse_jax.evaluation import classical_run
  from unimse_jax.reporting import score_tables
  from unimse_jax.rundir import RunDir

  classical_run.run(config, workdir, _SPLIT.value)
  print(score_tables.written_text(RunDir(workdir), _SPLIT.value))
  return 0


if __name__ == "__main__":
  command_line.run(main)
