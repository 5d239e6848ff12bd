"""Hashes, JSON, and files that are whole or not there."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from unimse_cli.files import check_is_no_pointer as check_is_no_pointer
from unimse_cli.files import hash_file as hash_file
from unimse_cli.storage import is_remote, write_object

_DIGITS = 1000  # of a whole number; Python refuses 4300, for programmers


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
