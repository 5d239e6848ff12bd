"""Trains and evaluates the rows of an ablation, one after the other.

python -m unimse_jax.ablate --config configs/base.py --workdir DIR
    [--rows all|table3|rivals|NAME,...] [--seeds N] [--split test] [--dry_run]
"""

import functools
import sys

from absl import flags

from unimse_cli.storage import user_path
from unimse_jax import command_line
from unimse_jax.rundir import RunDir

_CONFIG = command_line.define_config()
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Where the runs live: <row>/seed_<k>.", required=True
)
_ROWS = flags.DEFINE_string(
  "rows",
  "all",
  "all, table3, rivals, or names of files in ablations/ and rivals/, with "
  "commas.",
)
_SEEDS = flags.DEFINE_integer("seeds", 1, "Runs of each row.")
_SPLIT = flags.DEFINE_enum(
  "split", "test", ["validation", "test"], "What to score."
)
_DRY_RUN = flags.DEFINE_bool(
  "dry_run", False, "Prints what is left to run, a command a line."
)


def main() -> int:
  command_line.read_config(_CONFIG)
  from unimse_jax.study import ablation, plan

  root, split = user_path(_WORKDIR.value), _SPLIT.value
  given = plan.config_flags(sys.argv[1:])
  file, overrides = command_line.split_config(given)
  plan_rows = functools.partial(
    plan.ablation_rows,
    overrides,
    file,
    root=root,
    load=command_line.load_config,
    derive=command_line.derive_config,
  )
  rows, left_out = plan_rows(chosen=_ROWS.value, seeds=_SEEDS.value)
  if _DRY_RUN.value:
    print("\n".join(ablation.commands(rows, split, left_out)))
    return 0
  before = plan.rows_before(rows, RunDir(root).ablation(), plan_rows)
  return ablation.run(rows, root, split, left_out, before)


if __name__ == "__main__":
  command_line.run(main)
