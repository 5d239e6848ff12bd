"""Decodes a split with the best checkpoint and prints its scores.

python -m unimse_jax.eval --workdir DIR
python -m unimse_jax.eval --config configs/base.py [--workdir DIR]
    [--split test] [--step N] [--nowithheld] [--missing 0.1,0.3,0.5,0.7]
    [--seeds N]
"""

import sys

from absl import flags

from unimse_cli.storage import user_path
from unimse_jax import command_line
from unimse_jax.errors import InputError
from unimse_jax.parallel import launch
from unimse_jax.rundir import RunDir

_CONFIG = command_line.define_config()
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "The run to evaluate; runs/<name of the config> if unset."
)
_SPLIT = flags.DEFINE_enum(
  "split", "test", ["train", "validation", "test"], "What to decode."
)
_WITHHELD = flags.DEFINE_bool(
  "withheld", True, "Scores it with voice, face and both withheld too."
)
_MISSING = flags.DEFINE_list(
  "missing", [], "Scores it with these shares of modalities missing too."
)
_STEP = flags.DEFINE_integer(
  "step", None, "Which checkpoint; the best on validation if unset."
)
_SEEDS = flags.DEFINE_integer(
  "seeds", None, "Evaluates WORKDIR/seed_0 to seed_<N-1> and gathers them."
)


def main() -> int:
  if _STEP.value is not None and _SEEDS.value is not None:
    raise InputError(
      "expected one of --step and --seeds: seeds have steps of their own."
    )
  shares = _read_shares(_MISSING.value)
  if _CONFIG.value is None and _WORKDIR.value and _SEEDS.value is None:
    workdir = user_path(_WORKDIR.value)
    config = RunDir(workdir).read_config()
  else:
    config = command_line.read_config(_CONFIG)
    workdir = user_path(_WORKDIR.value or f"runs/{config.name}")
  if _SEEDS.value is not None:
    from unimse_jax.study import plan, seeds

    given = plan.config_flags(sys.argv[1:])
    load = command_line.load_config
    runs = plan.seed_runs(given, workdir, _SEEDS.value, load)
    return seeds.evaluate(runs, workdir, _SPLIT.value, _WITHHELD.value, shares)
  launch.join()
  from unimse_jax.evaluation import evaluation_run
  from unimse_jax.parallel import multihost
  from unimse_jax.reporting import score_tables

  run = evaluation_run.evaluate(
    *(config, workdir, _SPLIT.value),
    *(_WITHHELD.value, shares, _STEP.value),
  )
  if multihost.is_first():
    evaluation_run.write(config, workdir, _SPLIT.value, run)
    print(score_tables.written_text(RunDir(workdir), _SPLIT.value))
  return 0


def _read_shares(texts: list[str]) -> list[float]:
  try:
    shares = [float(text) for text in texts]
  except ValueError:
    shares = [-1.0]
  if not all(0 <= share < 1 for share in shares):
    raise InputError(
      "--missing: expected shares of at least 0 and below 1, joined by commas "
      f"(0.1,0.3,0.5,0.7), found {','.join(texts)}"
    )
  return shares


if __name__ == "__main__":
  command_line.run(main)
