"""The config that a run was made with, and how another differs from it."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from unimse_jax import config as config_lib
from unimse_jax.config import Config
from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.rundir import json_file

_ABSENT = "(absent)"
_ADVICE = "choose another --workdir, or put the file back"


def settle(file: pathlib.Path, config: Config) -> None:
  """Writes the config; if the file exists, only free fields may differ.

  Args:
    file: config.json of the run.
    config: config to run with.

  Raises:
    InputError: another field differs (every one is named), or the file is
      damaged.
    OSError: the file cannot be written.
  """
  if file.exists():
    check(file, config)
  text = json.dumps(config_lib.to_dict(config), indent=2, sort_keys=True)
  write_atomically(file, f"{text}\n".encode())


def check(file: pathlib.Path, config: Config) -> None:
  """Checks that the file holds this config, free fields aside.

  Args:
    file: config.json of the run; it exists.
    config: config to run with.

  Raises:
    InputError: as `settle`.
  """
  changes = differing_fields(read(file), json_values(config))
  faults = [
    f"  {field}: was {before!r}, now {after!r}"
    for field, (before, after) in changes.items()
    if not _is_free(field)
  ]
  if faults:
    raise InputError(
      f"expected the config that {file} was made with, found other values in "
      f"{len(faults)} field(s):\n" + "\n".join(faults) + "\nrun with the same "
      "config to resume, or choose a new --workdir"
    )


def json_values(config: Config) -> dict[str, Any]:
  """The config as its file gives it back, with lists for tuples."""
  return json.loads(json.dumps(config_lib.to_dict(config)))


def read(file: pathlib.Path) -> dict[str, Any]:
  """The config as nested dicts.

  Raises:
    InputError: the file is damaged.
  """
  return json_file.read(file, _ADVICE)


def differing_fields(
  old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
  """Fields of two nested configs that differ: {"model.width": (256, 512)}.

  A field that one side lacks counts as "(absent)".
  """
  before, after = _flatten(old), _flatten(new)
  return {
    field: (before.get(field, _ABSENT), after.get(field, _ABSENT))
    for field in sorted(before.keys() | after.keys())
    if before.get(field, _ABSENT) != after.get(field, _ABSENT)
  }


def fixed_fields(config: Config) -> dict[str, Any]:
  """The fields that are not free: {"model.pmf_layers": 3}."""
  return {
    field: value
    for field, value in _flatten(config_lib.to_dict(config)).items()
    if not _is_free(field)
  }


def _is_free(field: str) -> bool:
  """Whether the runs of one directory may differ in a dotted field.

  A field that holds a mapping is free with all that is in it.
  """
  return any(
    field == name or field.startswith(f"{name}.")
    for name in config_lib.FREE_FIELDS
  )


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  flat = {}
  for key, value in config.items():
    if isinstance(value, Mapping) and value:
      flat |= _flatten(value, f"{prefix}{key}.")
    else:
      flat[f"{prefix}{key}"] = value
  return flat
