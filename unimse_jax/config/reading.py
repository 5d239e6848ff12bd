"""Nested mappings in, typed configs out, and back."""

import dataclasses
import difflib
import math
import pathlib
import types
import typing
from collections.abc import Mapping
from typing import Any

from unimse_jax.config.limits import PATHS, find_faults, flat
from unimse_jax.config.run_fields import FIELDS, Config
from unimse_jax.errors import InputError


def default_values() -> dict[str, Any]:
  """Sections -> fields -> defaults, for the ConfigDict of configs/base.py."""
  return dataclasses.asdict(Config())


def validate(values: Mapping) -> Config:
  """Turns the nested mapping of a config file into a `Config`.

  Args:
    values: sections -> fields -> values (`ConfigDict.to_dict()`).

  Raises:
    InputError: naming every fault: unknown fields with the nearest known one,
      missing fields, wrong types, values out of range.
  """
  faults: list[str] = []
  config = _build(Config, values, "", faults)
  if not faults:
    config = _with_home(config)
    faults = find_faults(config)
  if faults:
    raise InputError(
      f"The config has {len(faults)} fault(s):\n  " + "\n  ".join(faults)
    )
  return config


def to_dict(config: Config) -> dict:
  """The config as nested dicts of JSON types, as stored in config.json."""

  def plain(value: Any) -> Any:
    if isinstance(value, dict):
      return {key: plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value

  return plain(dataclasses.asdict(config))


def _build(kind: type, values: Mapping, prefix: str, faults: list[str]) -> Any:
  """An instance of the dataclass, or None with the faults written down."""
  hints = typing.get_type_hints(kind)
  if not isinstance(values, Mapping):
    faults.append(
      f"config.{prefix[:-1]}: expected a section of fields, found {values!r}"
    )
    return None
  for name in values:
    if name not in hints:
      near = difflib.get_close_matches(name, hints, n=1)
      advice = f"; did you mean {prefix}{near[0]}?" if near else ""
      faults.append(f"config.{prefix}{name} is unknown{advice}")
  built = {}
  for name, hint in hints.items():
    path = f"{prefix}{name}"
    if name not in values:
      faults.append(f"config.{path} is missing")
    elif dataclasses.is_dataclass(hint):
      built[name] = _build(hint, values[name], f"{path}.", faults)
    else:
      built[name] = _convert(path, FIELDS[path].type, values[name], faults)
  return None if faults else kind(**built)


def _with_home(config: Config) -> Config:
  """The config with a leading ~ of its paths expanded."""
  values = flat(config)
  sections: dict[str, dict[str, str]] = {}
  for path in PATHS:
    section, _, name = path.partition(".")
    value = values[path]
    if value.startswith("~"):
      value = str(pathlib.Path(value).expanduser())
    sections.setdefault(section, {})[name] = value
  return dataclasses.replace(
    config,
    **{
      name: dataclasses.replace(getattr(config, name), **changes)
      for name, changes in sections.items()
    },
  )


def _convert(path: str, hint: Any, value: Any, faults: list[str]) -> Any:
  if hint is float and isinstance(value, int) and not isinstance(value, bool):
    return float(value)
  if hint is float and isinstance(value, float) and not math.isfinite(value):
    # Every comparison with NaN is false: no later check would see it.
    faults.append(f"config.{path}: expected a finite number, found {value}")
  if isinstance(hint, types.GenericAlias):  # tuple[X, ...]
    element = typing.get_args(hint)[0]
    if isinstance(value, list | tuple) and all(
      type(item) is element for item in value
    ):
      return tuple(value)
    faults.append(
      f"config.{path}: expected a tuple of {element.__name__}, found {value!r}"
    )
    return None
  if type(value) is not hint:
    faults.append(
      f"config.{path}: expected {hint.__name__}, found {value!r} "
      f"({type(value).__name__})"
    )
  return value
