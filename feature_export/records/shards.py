"""Reads a TFRecord file once, for both its records and its hash."""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

_HEAD = struct.Struct("<QI")  # length of the record, checksum of the length
_TAIL = 4  # checksum of the record
_BUFFER = 2**20


class ShardReader:
  """Iterates over the serialised records of a shard, one at a time.

  The checksums inside the file are not checked, as the hash covers every byte.

  Attributes:
    sha256: hash of the whole file, known when the iteration has ended.
    cut: True: the file ends in the middle of a record.
  """

  def __init__(self, path: Path):
    self._path = path
    self.sha256 = ""
    self.cut = False

  def __iter__(self) -> Iterator[bytes]:
    digest = hashlib.sha256()
    left = self._path.stat().st_size
    with self._path.open("rb", buffering=_BUFFER) as file:
      while left >= _HEAD.size + _TAIL:
        head = file.read(_HEAD.size)
        digest.update(head)
        left -= len(head)
        length, _ = _HEAD.unpack(head)
        # A damaged length can be any number, so it must not decide how much
        # memory is asked for.
        if length + _TAIL > left:
          break
        body = file.read(length + _TAIL)
        digest.update(body)
        left -= len(body)
        yield body[:-_TAIL]
      self.cut = left > 0
      while rest := file.read(_BUFFER):
        digest.update(rest)
    self.sha256 = digest.hexdigest()
