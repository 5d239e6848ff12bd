"""Files that grow while a run goes on, on a disk or in a bucket."""

import io
import os
import pathlib
import time

from unimse_cli.storage import is_remote, write_object

# A bucket takes about one write of an object a second.
PAUSE = 5.0


class GrowingFile(io.FileIO):
  """A file opened to append, without a buffer; a write is whole or undone."""

  def __init__(self, path: pathlib.Path):
    super().__init__(path, "ab")

  def write(self, data: bytes) -> int:
    """Adds bytes; returns their number.

    Raises:
      OSError: they found no room; the file is as it was.
    """
    end = os.fstat(self.fileno()).st_size
    rest = memoryview(data)
    try:
      while rest:
        rest = rest[super().write(rest) :]
    except OSError:
      os.ftruncate(self.fileno(), end)
      raise
    return len(data)

  def sync(self) -> None:
    """Nothing: what was written is there."""


class GrowingObject:
  """The same in a bucket, whose objects cannot grow.

  All of it is written again each time, but not more often than every `PAUSE`
  seconds; `sync` and `close` write what is left.
  """

  def __init__(self, path: pathlib.Path):
    self._path = path
    self._content = path.read_bytes() if path.is_file() else b""
    self._waiting, self._written = False, 0.0

  def write(self, data: bytes) -> int:
    """Adds bytes, to be written by `flush` or `sync`; returns their number."""
    self._content += data
    self._waiting = True
    return len(data)

  def flush(self) -> None:
    """Writes what is new, if the last time is long enough ago.

    Raises:
      OSError: it could not be written; the next call tries again.
    """
    if time.monotonic() - self._written > PAUSE:
      self.sync()

  def sync(self) -> None:
    """Writes what is new; raises as `flush`."""
    if self._waiting:
      write_object(self._path, self._content)
      self._waiting, self._written = False, time.monotonic()

  def close(self) -> None:
    """As `sync`."""
    self.sync()


def open_growing(path: pathlib.Path) -> GrowingFile | GrowingObject:
  """Opens a file to append to; it is made if it is absent."""
  return GrowingObject(path) if is_remote(path) else GrowingFile(path)
