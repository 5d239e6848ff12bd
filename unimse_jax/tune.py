"""Searches for better values of config fields, on validation alone.

python -m unimse_jax.tune --config configs/base.py --space space.json
    --workdir DIR [--trials 20]

space.json: {"optimizer.lr_t5": {"low": 1e-5, "high": 1e-3, "log": true},
"model.pmf_layers": {"low": 1, "high": 6}, "loss.alpha": {"choices": [0, 0.5]}}
"""

import shlex
import sys

from absl import flags

from unimse_cli.storage import is_remote, user_path
from unimse_jax import command_line
from unimse_jax.errors import InputError

_CONFIG = command_line.define_config()
_SPACE = flags.DEFINE_string(
  "space", None, "JSON file of fields and their ranges.", required=True
)
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Where the trials live: trial_<k>.", required=True
)
_TRIALS = flags.DEFINE_integer(
  "trials", 20, "Trials in all, with those of an earlier call.", lower_bound=1
)


def main() -> int:
  config = command_line.read_config(_CONFIG)
  from unimse_jax.rundir import RunDir
  from unimse_jax.study import plan, search_space, tuning
  from unimse_jax.tables import writers

  tuning.check_selection(config.train.selection)
  space = search_space.read(user_path(_SPACE.value))
  workdir = user_path(_WORKDIR.value)
  if is_remote(workdir):
    raise InputError(
      f"--workdir: expected a local directory, found {workdir}: the journal "
      "of a search needs one"
    )
  root = RunDir(workdir)
  with root.hold_study():
    study = tuning.open_study(root, space, config)
    status = tuning.search(
      *(study, space, root, plan.config_flags(sys.argv[1:])),
      *(_TRIALS.value, command_line.load_config),
    )
    content = tuning.describe(study)
    root.write_tuning(content)
  print(writers.to_text(tuning.table(content)))
  if content["best"]:
    print(f"\nThe best trial: {shlex.join(content['best']['flags'])}")
  print(f"\nWritten: {root.tuning_file}")
  if status:
    return abs(status)
  return 0 if content["best"] else 1


if __name__ == "__main__":
  command_line.run(main)
