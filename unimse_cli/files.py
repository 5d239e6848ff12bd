"""What both packages ask of a file that anybody may have put there."""

import hashlib
import pathlib

from unimse_cli.errors import InputError

_POINTER = b"version https://git-lfs"
_POINTER_BYTES = 200  # a pointer has about 130


def hash_file(path: pathlib.Path) -> str:
  """The sha256 of a file's bytes, in hexadecimal, read in blocks."""
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def check_is_no_pointer(path: pathlib.Path) -> None:
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
