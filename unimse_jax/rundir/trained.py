"""How far a run was trained, by the metadata of its newest checkpoint."""

import dataclasses
import pathlib
from typing import Any

from absl import logging

from unimse_jax.config import Config
from unimse_jax.errors import InputError

# Names in a checkpoint's metadata: epochs that lie behind it, and whether
# training ended with it.
EPOCH = "epoch"
ENDED = "ended"


def newest(checkpoints: pathlib.Path) -> dict[str, Any]:
  """Metadata of the newest checkpoint; {} without one."""
  # Here, so that a run without any can be read without its reader.
  from unimse_jax.checkpoints.step_directory import StepDirectory

  manifests = StepDirectory(checkpoints).manifests()
  latest = manifests[max(manifests)] if manifests else {}
  return latest.get("metadata", {})


def check_goes_on(
  checkpoints: pathlib.Path, before: Config, config: Config
) -> None:
  """Checks the free fields that training must not change at will.

  Args:
    checkpoints: directory of the run's checkpoints.
    before: config that the run was last trained with.
    config: config to go on with; its schedule is the same.

  Raises:
    InputError: it has fewer epochs than the run has behind it; or the run goes
      on, and what decides its predictions differs.
  """
  _check_epochs(checkpoints, before, config)
  _check_decoding(checkpoints, before, config)


def _check_epochs(
  checkpoints: pathlib.Path, before: Config, config: Config
) -> None:
  """A longer training must not pass for a shorter one."""
  trained, epochs = newest(checkpoints).get(EPOCH, 0), config.train.epochs
  if trained > epochs:
    raise InputError(
      f"config.train.epochs: expected at least the {trained:g} that the run in "
      f"{checkpoints.parent} has behind it, found {epochs}: choose a new "
      "--workdir for a shorter one"
    )
  if not trained or before.train.epochs == epochs:
    return
  if config.optimizer.schedule != "constant":
    logging.warning(
      "config.train.epochs: %d, where the run in %s began with %d: its steps "
      "so far had the rates of optimizer.schedule = %s over those, and a run "
      "that begins with %d has others.",
      *(epochs, checkpoints.parent, before.train.epochs),
      *(config.optimizer.schedule, epochs),
    )


def _check_decoding(
  checkpoints: pathlib.Path, before: Config, config: Config
) -> None:
  """Evaluations among which the best is chosen must decode alike."""
  old, new = map(dataclasses.asdict, (before.decoding, config.decoding))
  faults = "".join(
    f"\n  decoding.{name}: {old[name]!r} before, now {value!r}"
    for name, value in new.items()
    if value != old[name] and name != "batch_size"  # which changes nothing
  )
  if not faults or not newest(checkpoints):
    return
  longer = config.train.epochs > before.train.epochs
  if has_ended(checkpoints, before) and not longer:
    return
  raise InputError(
    f"config.decoding: expected what the run in {checkpoints.parent} was "
    "evaluated with so far, for its best checkpoint is chosen among all "
    f"evaluations, found{faults}\nTrain on without the change, and give it to "
    "unimse_jax.eval; or choose a new --workdir."
  )


def has_ended(checkpoints: pathlib.Path, config: Config) -> bool:
  """Whether the newest checkpoint is training's last."""
  metadata = newest(checkpoints)
  # An older version did not write it down; with patience it may have ended at
  # any evaluation.
  done = metadata.get(EPOCH, 0) >= config.train.epochs
  return metadata.get(ENDED, done or bool(config.train.patience))
