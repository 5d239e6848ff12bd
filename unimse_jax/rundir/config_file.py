"""The config that a run was made with, and how another differs from it."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from absl import logging

from unimse_jax import config as config_lib
from unimse_jax.config import FREE_FIELDS, Config, StoredConfig
from unimse_jax.config.paths import nest
from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.rundir import json_file

_ADVICE = "choose another --workdir, or put the file back"


def settle(
  file: pathlib.Path, config: Config, stored: StoredConfig | None
) -> None:
  """Writes the config.

  Args:
    file: config.json of the run.
    config: config to run with.
    stored: what `check` found in the file; None if there is none yet.

  Raises:
    InputError: the run has a field that is gone.
    OSError: the file cannot be written.
  """
  values = config_lib.flat(config)
  if stored:
    _check_can_go_on(file, stored)
    # A field that came since stays out while it does what was done before: the
    # checkpoints belong to the fields that the file had (`fixed_fields`).
    kept = {path: it for path, it in stored.added.items() if values[path] == it}
    tell_what_came_since(file, kept)
    values = {path: it for path, it in values.items() if path not in kept}
  text = json.dumps(nest(values), indent=2, sort_keys=True)
  write_atomically(file, f"{text}\n".encode())


def check(file: pathlib.Path, config: Config) -> StoredConfig:
  """Checks that the file holds this config, free fields aside.

  Args:
    file: config.json of the run; it exists.
    config: config to run with.

  Returns:
    What the file holds.

  Raises:
    InputError: another field differs, or as `read`.
  """
  stored = read(file)
  changes = differing_fields(stored.config, config)
  faults = [
    f"  {path}: was {before!r}, now {after!r}"
    for path, (before, after) in changes.items()
    if path not in FREE_FIELDS
  ]
  if faults:
    raise InputError(
      f"expected the config that {file} was made with, found other values in "
      f"{len(faults)} field(s):\n" + "\n".join(faults) + "\nrun with the same "
      "config to resume, or choose a new --workdir"
    )
  return stored


def _check_can_go_on(file: pathlib.Path, stored: StoredConfig) -> None:
  if stored.removed:
    told = ", ".join(
      f"{path} ({config_lib.REMOVED[path]})" for path in stored.removed
    )
    raise InputError(
      f"expected a run that this version can train on, found {told} in {file}, "
      "which is gone: evaluate, predict and package still read the run; train "
      "in a new --workdir, from these weights with --config.train.init_from="
      f"{file.parent}"
    )


def read(file: pathlib.Path) -> StoredConfig:
  """The config of a run of this version or another.

  Raises:
    InputError: the file is damaged, or as `config.read_stored`.
  """
  return config_lib.read_stored(json_file.read(file, _ADVICE), str(file))


def tell_what_came_since(file: pathlib.Path, added: Mapping[str, Any]) -> None:
  """Says in the log which fields a run is older than, if any."""
  if added:
    logging.info(
      "%s is older than %d field(s), which are set to keep what was: %s.",
      *(file, len(added)),
      ", ".join(f"{path} = {value!r}" for path, value in added.items()),
    )


def means(values: Mapping[str, Any], config: Config) -> bool:
  """Whether the config that some version stored is this one."""
  try:
    return config_lib.read_stored(values, "a result").config == config
  except InputError:
    return False


def differing_fields(old: Config, new: Config) -> dict[str, tuple[Any, Any]]:
  """Fields in which two configs differ: {"model.width": (256, 512)}."""
  before, after = config_lib.flat(old), config_lib.flat(new)
  return {
    path: (before[path], after[path])
    for path in sorted(before)
    if before[path] != after[path]
  }


def fixed_fields(config: Config, stored: StoredConfig) -> dict[str, Any]:
  """What of a config checkpoints belong to: {"model.pmf_layers": 3}.

  Those that are not free of the fields that the run's file has. The ones that
  came since are left out, so that the run's older checkpoints are still its.
  """
  values = {
    path: value
    for path, value in config_lib.flat(config).items()
    if path not in FREE_FIELDS and path not in stored.added
  }
  return values | stored.removed
