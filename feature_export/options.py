"""The options of a command: dataclasses whose fields are its flags.

Name, type, default, limits and help of an option stand once, in its field:

    jobs: int = option("Number of processes.", 1, limits=(1, 1024))
"""

import dataclasses
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from absl import flags

from unimse_cli.storage import local_path, user_path

_Options = TypeVar("_Options")


class _PathParser(flags.ArgumentParser):
  """Reads the value of a flag as a path."""

  def __init__(self, read: Callable[[str], Path]):
    self._read = read

  def parse(self, argument: str) -> Path:
    return self._read(argument)


_PARSERS = {
  str: flags.ArgumentParser(),
  int: flags.IntegerParser(),
  float: flags.FloatParser(),
  Path: _PathParser(user_path),
}


def option(
  help_text: str,
  default: Any = dataclasses.MISSING,
  *,
  choices: Sequence[str] = (),
  limits: tuple[float, float] | None = None,
  local: bool = False,
) -> Any:
  """A field of a dataclass that is a flag too.

  Args:
    help_text: sentence that --help shows.
    default: value of a flag that is not given; without one it must be given.
    choices: all legal texts; empty: any text.
    limits: smallest and largest number, see `outside_limits`.
    local: a path that must be on this machine; others may be in a bucket.
  """
  metadata = {"help": help_text, "choices": choices, "limits": limits}
  metadata["local"] = local
  return dataclasses.field(default=default, metadata=metadata)


def define(values: flags.FlagValues, kind: type) -> None:
  """Defines the flags of a dataclass; `--help` lists them together."""
  kinds = get_type_hints(kind)
  for field in _options(kind):
    required = field.default is dataclasses.MISSING
    place = {
      "name": field.name,
      "default": None if required else field.default,
      "help": field.metadata["help"] + " (required)" * required,
      "flag_values": values,
      "module_name": kind.__doc__.splitlines()[0].rstrip("."),
      "required": required,
    }
    value_type = _without_none(kinds[field.name])
    if value_type is bool:
      flags.DEFINE_bool(**place)
    elif value_type == Sequence[str]:
      flags.DEFINE_multi_string(**place)
    elif field.metadata["choices"]:
      flags.DEFINE_enum(enum_values=field.metadata["choices"], **place)
    elif field.metadata["local"]:
      flags.DEFINE(_PathParser(local_path), **place)
    else:
      flags.DEFINE(_PARSERS[value_type], **place)


def read(values: flags.FlagValues, kind: type[_Options]) -> _Options:
  """Reads parsed flags into the dataclass that they were defined by."""
  return kind(**{name: values[name].value for name in _names(kind)})


def outside_limits(options: Any) -> list[str]:
  """Lists the numbers of a dataclass that are outside of their limits."""
  faults = []
  for field in _options(options):
    value, limits = getattr(options, field.name), field.metadata["limits"]
    if limits and value is not None and not limits[0] <= value <= limits[1]:
      faults.append(
        f"--{field.name} must be in [{limits[0]}, {limits[1]}], found {value}"
      )
  return faults


def _options(kind: Any) -> Iterator[dataclasses.Field]:
  return (each for each in dataclasses.fields(kind) if each.metadata)


def _names(kind: Any) -> list[str]:
  return [each.name for each in _options(kind)]


def _without_none(hint: Any) -> Any:
  """T of the type T | None."""
  if not isinstance(hint, types.UnionType):
    return hint
  (kind,) = (each for each in hint.__args__ if each is not type(None))
  return kind
