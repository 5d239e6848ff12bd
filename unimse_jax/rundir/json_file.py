"""JSON files that appear whole and are read back with one clear error."""

import json
import math
import pathlib
from typing import Any

from unimse_cli.storage import make_directory
from unimse_jax.files import read_json, write_atomically


def read(
  path: pathlib.Path, advice: str, kind: Any = dict[str, Any]
) -> dict[str, Any]:
  """The object of a JSON file.

  Args:
    path: an existing file.
    advice: remedy if it is damaged, as the end of a sentence.
    kind: type of the object: a TypedDict or a dict of some type.

  Raises:
    InputError: the file cannot be read or holds no such object.
  """
  return read_json(path, advice, kind)


def write(path: pathlib.Path, value: Any) -> None:
  """Writes JSON; a number that is not finite becomes null.

  Args:
    path: the file; its directory is made.
    value: JSON values, tuples too.
  """
  make_directory(path.parent)
  text = json.dumps(_finite(value), indent=2, allow_nan=False)
  write_atomically(path, f"{text}\n".encode())


def _finite(value: Any) -> Any:
  if isinstance(value, dict):
    return {key: _finite(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [_finite(item) for item in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
