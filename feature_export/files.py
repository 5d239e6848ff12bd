"""Hashes files, and writes them so that no half-written file is ever seen."""

import hashlib
import os
from pathlib import Path


def hash_file(path: Path) -> str:
  """The sha256 of a file's bytes, in hexadecimal."""
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


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
