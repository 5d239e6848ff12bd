"""The config that a run was made with, and how another differs from it."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.rundir import json_file

_ABSENT = "(absent)"
_ADVICE = "choose another --workdir, or put the file back"


def settle(
  file: pathlib.Path, config: Mapping[str, Any], free: Sequence[str]
) -> None:
  """Writes the config; if the file exists, only free fields may differ.

  Args:
    file: config.json of the run.
    config: nested dict of JSON values.
    free: dotted fields, or prefixes of them ("train.epochs", "log"), that may
      change.

  Raises:
    InputError: another field differs (every one is named), or the file is
      damaged.
    OSError: the file cannot be written.
  """
  if file.exists():
    check(file, config, free)
  text = json.dumps(config, indent=2, sort_keys=True) + "\n"
  write_atomically(file, text.encode())


def check(
  file: pathlib.Path, config: Mapping[str, Any], free: Sequence[str]
) -> None:
  """Checks that the file holds this config, free fields aside.

  Args:
    file: config.json of the run; it exists.
    config: nested dict of JSON values.
    free: fields that may differ, as for `settle`.

  Raises:
    InputError: as `settle`.
  """
  # Through JSON, so that a tuple and a list are the same.
  now = json.loads(json.dumps(config))
  faults = [
    f"  {field}: was {before!r}, now {after!r}"
    for field, (before, after) in differing_fields(read(file), now).items()
    if not _is_free(field, free)
  ]
  if faults:
    raise InputError(
      f"expected the config that {file} was made with, found other values in "
      f"{len(faults)} field(s):\n" + "\n".join(faults) + "\nrun with the same "
      "config to resume, or choose a new --workdir"
    )


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


def without(config: Mapping[str, Any], free: Sequence[str]) -> dict[str, Any]:
  """The fields of a nested config that are not free: {"model.width": 256}."""
  return {
    field: value
    for field, value in _flatten(config).items()
    if not _is_free(field, free)
  }


def _is_free(field: str, free: Sequence[str]) -> bool:
  return any(field == name or field.startswith(f"{name}.") for name in free)


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  flat = {}
  for key, value in config.items():
    if isinstance(value, Mapping) and value:
      flat |= _flatten(value, f"{prefix}{key}.")
    else:
      flat[f"{prefix}{key}"] = value
  return flat
