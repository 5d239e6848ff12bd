"""One process at a time in a directory of a bucket.

A bucket has no lock that goes with a process, but an object can be made only
if it is not there. So a lock is the object `.lock/<n>`; whoever makes it holds
it, touches it every few seconds, and removes it at the end. One that nobody
touches any more is of a run that was killed: the next run makes `.lock/<n+1>`,
which only one can, however many try. No clocks are compared: whether a lock is
touched is watched for a while.
"""

import contextlib
import json
import os
import pathlib
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from absl import logging

from unimse_cli.storage import write_object

BEAT = 15.0  # seconds between two touches
PATIENCE = 4.0  # beats without a touch after which a lock is of a killed run
_LOST = 1


class Held(Exception):
  """Another process holds the lock; the message names it."""


@contextlib.contextmanager
def hold(folder: pathlib.Path) -> Iterator[None]:
  """Holds the lock of a directory while the block runs.

  After SIGKILL the next run on another machine waits for `PATIENCE` beats, one
  on the same machine not at all. A holder that finds its lock taken, because
  it was suspended for long, ends its process: two runs must not write.

  Args:
    folder: `.lock` in the directory.

  Raises:
    Held: another process holds it.
  """
  own = _take(folder)
  stop = threading.Event()
  beat = threading.Thread(target=_keep, args=(own, stop), daemon=True)
  beat.start()
  try:
    yield
  finally:
    stop.set()
    beat.join()
    own.unlink(missing_ok=True)


def _take(folder: pathlib.Path) -> pathlib.Path:
  while True:
    newest = _newest(folder)
    number = 0
    if newest is not None:
      _wait_for_end(newest)
      number = int(newest.name) + 1
    own = folder / str(number)
    if _make(own):
      break  # else another run was faster: look at its lock
  for old in _locks(folder):
    if int(old.name) < number:
      old.unlink(missing_ok=True)
  return own


def _wait_for_end(lock: pathlib.Path) -> None:
  """Returns when a lock is free, or of a run that was killed.

  Raises:
    Held: its holder lives.
  """
  first = _read(lock)
  if first is None or _is_dead(first):
    return
  logging.info(
    "%s is held by %s: waiting %.0f s for a sign of life.",
    *(lock.parent.parent, _name(first), BEAT * PATIENCE),
  )
  end = time.monotonic() + BEAT * PATIENCE
  while time.monotonic() < end:
    time.sleep(BEAT / 5)
    now = _read(lock)
    if now is None:
      return
    if now["beat"] != first["beat"]:
      raise Held(_name(now))
  logging.warning("%s shows no sign of life: its lock is taken.", _name(first))


def _keep(own: pathlib.Path, stop: threading.Event) -> None:
  """Touches a lock until told to stop; ends the process if it is taken."""
  while not stop.wait(BEAT):
    # A bucket that cannot be reached for a while is no reason to stop: if it
    # lasts, the writes of the run itself fail.
    with contextlib.suppress(OSError):
      newest = _newest(own.parent)
      if newest is not None and int(newest.name) > int(own.name):
        print(
          f"error: another process has taken {own.parent.parent} while this "
          "one was suspended; it ends without writing anything more",
          file=sys.stderr,
          flush=True,
        )
        os._exit(_LOST)
      write_object(own, _holder())


def _make(lock: pathlib.Path) -> bool:
  """Makes an object if there is none; whether it was made."""
  try:
    write_object(lock, _holder(), create=True)
  except FileExistsError:
    return False
  return True


def _holder() -> bytes:
  return json.dumps(
    {
      "process": os.getpid(),
      "host": socket.gethostname(),
      "processes": _processes(),
      "beat": secrets.token_hex(8),
    }
  ).encode()


def _read(lock: pathlib.Path) -> dict[str, Any] | None:
  try:
    return json.loads(lock.read_bytes())
  except FileNotFoundError:
    return None


def _name(holder: dict[str, Any]) -> str:
  return f"process {holder['process']} on {holder['host']}"


def _is_dead(holder: dict[str, Any]) -> bool:
  """Whether the holder ran on this machine and runs no more."""
  here = (socket.gethostname(), _processes())
  if (holder["host"], holder.get("processes")) != here:
    return False
  try:
    os.kill(holder["process"], 0)
  except ProcessLookupError:
    return True
  except PermissionError:
    pass
  return False


def _processes() -> str:
  """The process namespace: containers of one host name number their own."""
  try:
    return os.readlink("/proc/self/ns/pid")
  except OSError:
    return ""


def _locks(folder: pathlib.Path) -> list[pathlib.Path]:
  if not folder.is_dir():
    return []
  return [each for each in folder.iterdir() if each.name.isdecimal()]


def _newest(folder: pathlib.Path) -> pathlib.Path | None:
  return max(_locks(folder), key=lambda lock: int(lock.name), default=None)
