"""Files that appear whole or not at all, JSON of others, and hashes."""

import contextlib
import functools
import json
import os
import pathlib
import reprlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from unimse_cli.files import check_is_no_pointer as check_is_no_pointer
from unimse_cli.files import hash_file as hash_file
from unimse_cli.storage import is_remote, write_object
from unimse_jax.errors import InputError

_DIGITS = 400  # of a whole number: a float has 309 at most


def read_json(
  path: pathlib.Path,
  advice: str = "fetch or copy it again",
  kind: Any = None,
) -> Any:
  """What a JSON file holds that anybody may have written.

  Args:
    path: the file.
    advice: remedy if it is damaged, as the end of a sentence.
    kind: type of the content, see `parse_json`.

  Raises:
    InputError: there is none; it is a Git LFS pointer; or see `parse_json`.
  """
  check_is_no_pointer(path)
  try:
    return parse_json(path.read_bytes(), kind)
  except OSError as error:
    found = f"none that can be read ({error.strerror})"
  except ValueError as error:
    found = str(error)
  raise InputError(f"expected JSON in {path}, found {found}: {advice}")


def parse_json(content: bytes | str, kind: Any = None) -> Any:
  """Parses JSON that anybody may have written.

  Args:
    content: its text.
    kind: type that the value must have: a TypedDict, dict[str, int] or the
      like; None: any. Keys that a TypedDict does not name are let through.

  Raises:
    ValueError: it is damaged or empty, nested too deeply, has a key twice, of
      which Python would take the last; or it is not of the kind, with every
      fault and its place.
  """
  try:
    value = json.loads(content, object_pairs_hook=_to_dict, parse_int=_to_int)
  except RecursionError as error:
    raise ValueError("lists or objects that are nested too deeply") from error
  except ValueError as error:
    found = f"none: {error}" if content.strip() else "an empty file"
    raise ValueError(found) from error
  if kind is not None and (faults := _kind_faults(value, kind)):
    raise ValueError(f"other content: {'; '.join(faults)}")
  return value


def _kind_faults(value: Any, kind: Any) -> list[str]:
  """What of a value is not of a kind, each with its place in it."""
  # Here, so that models and benchmarks run where it is not installed.
  import pydantic

  try:
    _adapter(kind).validate_python(value, strict=True)
  except pydantic.ValidationError as error:
    return [
      f"{'.'.join(map(str, each['loc'])) or 'at the top'}: "
      f"{each['msg'][0].lower()}{each['msg'][1:]}, found "
      f"{reprlib.repr(each['input'])}"
      for each in error.errors(include_url=False)
    ]
  return []


@functools.cache
def _adapter(kind: Any) -> Any:
  import pydantic

  return pydantic.TypeAdapter(kind)


def _to_dict(pairs: Sequence[tuple[str, Any]]) -> dict:
  values = dict(pairs)
  if len(values) < len(pairs):
    keys = [key for key, _ in pairs]
    twice = next(key for key in values if keys.count(key) > 1)
    raise ValueError(f"the key {twice!r} stands twice")
  return values


def _to_int(digits: str) -> int:
  if len(digits) > _DIGITS:
    raise ValueError(f"a number of {len(digits)} digits")
  return int(digits)


def write_atomically(path: pathlib.Path, data: bytes) -> None:
  """Writes a file so that a reader sees the old content or the new, never half.

  Args:
    path: the file; its directory exists.
    data: whole content of the file.
  """
  with open_atomically(path) as file:
    file.write(data)


@contextlib.contextmanager
def open_atomically(path: pathlib.Path) -> Iterator[BinaryIO]:
  """A draft to write to, which becomes `path` where the block ends well."""
  if is_remote(path):
    # An object of a bucket appears when all of it is there.
    with tempfile.TemporaryFile() as file:
      yield file
      file.seek(0)
      write_object(path, file.read())
    return
  # The name carries the process id: two writers must not share a draft.
  draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  try:
    with draft.open("wb") as file:
      yield file
      file.flush()
      # Without it a power cut may leave the new name on an empty file.
      os.fsync(file.fileno())
    os.replace(draft, path)
  finally:
    draft.unlink(missing_ok=True)
