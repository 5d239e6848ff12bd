"""Files that appear whole or not at all, and what is in them as a hash."""

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Iterator
from typing import BinaryIO

from unimse_jax.errors import InputError


def hash_file(path: pathlib.Path) -> str:
  """The sha256 of a file's bytes, in hexadecimal, read in blocks."""
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def local_path(text: str) -> pathlib.Path:
  """The path that a user wrote, with a leading ~ expanded.

  Raises:
    InputError: it is an address, as gs://bucket/run.
  """
  if "://" in text:
    raise InputError(
      f"expected a local path, found {text!r}; buckets are not read or written "
      "yet: copy or mount it"
    )
  return pathlib.Path(text).expanduser()


def write_atomically(path: pathlib.Path, data: bytes) -> None:
  """Writes a file so that a reader sees the old content or the new, never half.

  Args:
    path: the file; its directory exists.
    data: its whole content.
  """
  with open_atomically(path) as file:
    file.write(data)


@contextlib.contextmanager
def open_atomically(path: pathlib.Path) -> Iterator[BinaryIO]:
  """A draft to write to, which becomes `path` where the block ends well."""
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
