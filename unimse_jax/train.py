"""Trains a model, or goes on training it.

python -m unimse_jax.train --config configs/base.py [--workdir DIR]
    [--config.model.pmf_layers=3 ...] [--init_from RUN|PACKAGE] [--seeds N]
"""

import dataclasses
import pathlib
import shlex
import sys
from typing import TYPE_CHECKING

from absl import flags

from unimse_cli.storage import user_path
from unimse_jax import command_line
from unimse_jax.parallel import launch

if TYPE_CHECKING:
  from unimse_jax.training import trainer

_CONFIG = command_line.define_config()
_WORKDIR = flags.DEFINE_string(
  "workdir", None, "Where the run lives; runs/<name of the config> if unset."
)
_SEEDS = flags.DEFINE_integer(
  "seeds", None, "Trains N seeds, one after the other, in WORKDIR/seed_<k>."
)
_INIT_FROM = flags.DEFINE_string(
  "init_from",
  None,
  "A run, a package or its hub name to train on from; short for "
  "--config.train.init_from.",
)


def main() -> int:
  config = command_line.read_config(_CONFIG)
  if _INIT_FROM.value is not None:
    train = dataclasses.replace(config.train, init_from=_INIT_FROM.value)
    config = dataclasses.replace(config, train=train)
  workdir = user_path(_WORKDIR.value or f"runs/{config.name}")
  if _SEEDS.value is not None:
    from unimse_jax.study import plan, seeds

    given = plan.config_flags(sys.argv[1:])
    given.append(f"--config.train.init_from={config.train.init_from}")
    load = command_line.load_config
    return seeds.train(plan.seed_runs(given, workdir, _SEEDS.value, load))
  launch.join(preemptible=True)
  from unimse_jax.parallel import multihost
  from unimse_jax.training import trainer

  outcome = trainer.train(config, workdir)
  if multihost.is_first():
    print(_told(outcome, workdir))
  return 0 if outcome.finished else command_line.STOPPED


def _told(outcome: "trainer.Outcome", workdir: pathlib.Path) -> str:
  if not outcome.finished:
    return (
      f"Stopped and saved at step {outcome.step} of {outcome.total_steps}; "
      "run the same command again to go on."
    )
  return (
    f"Trained {outcome.step} steps in {workdir}; the best checkpoint is step "
    f"{outcome.best_step}. Evaluate it: python -m unimse_jax.eval "
    f"--workdir {shlex.quote(str(workdir))}"
  )


if __name__ == "__main__":
  command_line.run(main)
