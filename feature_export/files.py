"""Hashes files, parses JSON, and writes files that are whole or not there."""

import hashlib
import json
import os
from pathlib import Path


def hash_file(path: Path) -> str:
  """The sha256 of a file's bytes, in hexadecimal."""
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def parse_json(text: str) -> object:
  """Parses JSON that anybody may have written.

  Raises:
    ValueError: no JSON, or lists and objects that are nested too deeply.
  """
  try:
    return json.loads(text)
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
  # Beside the file, not in a temporary folder: a rename is only atomic within
  # one file system.
  partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
  try:
    partial.write_bytes(data)
    os.replace(partial, path)
  except OSError:
    partial.unlink(missing_ok=True)
    raise
