"""Hashes, JSON, and files that are whole or not there."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from feature_export.errors import InputError
from unimse_cli.storage import is_remote, write_object

_POINTER = b"version https://git-lfs"
_POINTER_BYTES = 200  # a pointer has about 130
_DIGITS = 1000  # of a whole number; Python refuses 4300, for programmers


def check_is_no_pointer(path: Path) -> None:
  """Checks that Git LFS has put the file itself in its place.

  Raises:
    InputError: the file is there, and is a pointer.
  """
  if not path.is_file() or path.stat().st_size > _POINTER_BYTES:
    return
  with path.open("rb") as file:
    if file.read(len(_POINTER)) == _POINTER:
      raise InputError(
        f"{path} is a Git LFS pointer and not the file itself. Run `git lfs "
        "pull` in its clone, or download the file."
      )


def hash_file(path: Path) -> str:
  """The sha256 of a file's bytes, in hexadecimal."""
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _to_dict(pairs: Sequence[tuple[str, object]]) -> dict:
  values = dict(pairs)
  if len(values) < len(pairs):
    keys = [key for key, _ in pairs]
    twice = next(key for key in keys if keys.count(key) > 1)
    raise ValueError(f"the key {twice!r} stands twice")
  return values


def _to_int(digits: str) -> int:
  if len(digits) > _DIGITS:
    raise ValueError(f"a number of {len(digits)} digits")
  return int(digits)


def parse_json(text: str) -> object:
  """Parses JSON that anybody may have written.

  Raises:
    ValueError: no JSON, lists and objects that are nested too deeply, a number
      of hundreds of digits, or a key twice in an object, of which Python would
      take the last without a word.
  """
  try:
    return json.loads(text, object_pairs_hook=_to_dict, parse_int=_to_int)
  except RecursionError as error:
    raise ValueError("lists or objects are nested too deeply") from error


def write_whole(path: Path, content: str | bytes) -> None:
  """Writes a file that appears whole or not at all.

  Args:
    path: file to write; an old one is replaced in one step, at the end.
    content: bytes, or text that is written as UTF-8.

  Raises:
    OSError: it cannot be written; nothing is left behind.
  """
  data = content.encode() if isinstance(content, str) else content
  if is_remote(path):
    write_object(path, data)
    return
  # Beside the file, not in a temporary folder: a rename is only atomic within
  # one file system.
  partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
  try:
    partial.write_bytes(data)
    os.replace(partial, path)
  except OSError:
    partial.unlink(missing_ok=True)
    raise
