"""Files that appear whole or not at all."""

import os
import pathlib


def write_atomically(path: pathlib.Path, data: bytes) -> None:
  """Writes a file so that a reader sees the old content or the new, never half.

  Args:
    path: the file; its directory exists.
    data: its whole content.
  """
  # The name carries the process id: two writers must not share a draft.
  draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  try:
    with draft.open("wb") as file:
      file.write(data)
      file.flush()
      # Without it a power cut may leave the new name on an empty file.
      os.fsync(file.fileno())
    os.replace(draft, path)
  finally:
    draft.unlink(missing_ok=True)
