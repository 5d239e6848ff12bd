"""Reads a TFRecord file once: its records and, of the same bytes, its hash."""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

_HEAD = struct.Struct("<QI")  # length of the record, checksum of the length
_TAIL = 4  # checksum of the record
_BUFFER = 2**20


class ShardReader:
  """Iterates over the serialised records of a shard, one at a time.

  Checksums inside the file are not computed: the hash covers every byte.

  Attributes:
    sha256: of the whole file, once the iteration has ended.
    cut: whether the bytes stop being records before the file ends.
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
        # A damaged length may be anything; never ask for more than there is.
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
