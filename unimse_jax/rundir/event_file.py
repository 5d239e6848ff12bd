"""TensorBoard's event files, of a training and of an evaluation alike."""

import itertools
import os
import pathlib
import socket
import struct
import time
from typing import Any

from unimse_cli.storage import make_directory
from unimse_jax.rundir.growing_file import open_growing

_HEADER = struct.Struct("<Q4x")  # length of a record, its crc
_FOOTER = 4  # crc of the record
# Two files of one process within a second need two names.
_counter = itertools.count()


class EventFile:
  """Appends summaries to a new event file.

  tensorboard's own EventFileWriter imports tensorflow where it is installed,
  tensorboardX torch; tensorboard's record writer imports neither.
  """

  def __init__(self, directory: pathlib.Path, restart: int | None = None):
    """Creates the file.

    Args:
      directory: directory of the file; made if absent.
      restart: step from which on TensorBoard hides what earlier files of the
        directory hold; None: it shows all of them.
    """
    # Here, so that a run can be read where tensorboard is not installed.
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    make_directory(directory)
    name = (
      f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}"
      f".{os.getpid()}.{next(_counter)}"
    )
    self._file = open_growing(directory / name)
    self._records = RecordWriter(self._file)
    self._add(file_version="brain.Event:2")
    if restart is not None:
      start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
      self._add(step=restart, session_log=start)
    self.flush()

  def write(self, step: int, summary: Any) -> None:
    """Appends a Summary of tensorboard."""
    self._add(step=step, summary=summary)

  def write_scalar(self, step: int, tag: str, value: float) -> None:
    """Appends one number."""
    from tensorboard.compat.proto import summary_pb2

    scalar = summary_pb2.Summary.Value(tag=tag, simple_value=value)
    self.write(step, summary_pb2.Summary(value=[scalar]))

  def flush(self) -> None:
    """Hands what was appended to the system; to a bucket, now and then."""
    self._records.flush()

  def sync(self) -> None:
    """Writes what a bucket was not told yet; a disk knows all."""
    self._file.sync()

  def close(self) -> None:
    """Closes the file."""
    self._records.close()

  def _add(self, **fields: Any) -> None:
    from tensorboard.compat.proto import event_pb2

    event = event_pb2.Event(wall_time=time.time(), **fields)
    self._records.write(event.SerializeToString())


def read_scalars(directory: pathlib.Path, tag: str) -> list[float]:
  """The numbers that a directory's event files hold under a tag, in order.

  A file ends for us where its last record is cut short.
  """
  from tensorboard.compat.proto import event_pb2

  found = []
  for file in sorted(directory.glob("events.out.tfevents.*")):
    data, place = file.read_bytes(), 0
    while place + _HEADER.size <= len(data):
      (length,) = _HEADER.unpack_from(data, place)
      start, place = place + _HEADER.size, place + _HEADER.size + length
      place += _FOOTER
      if place > len(data):
        break
      event = event_pb2.Event.FromString(data[start : start + length])
      values = event.summary.value
      found += [each.simple_value for each in values if each.tag == tag]
  return found
