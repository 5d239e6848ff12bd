"""One process at a time in a directory."""

import contextlib
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator

from absl import logging

from unimse_cli import bucket_lock
from unimse_cli.storage import is_remote
from unimse_jax.errors import InputError


@contextlib.contextmanager
def hold(file: pathlib.Path) -> Iterator[None]:
  """Holds a lock file while the block runs.

  On a disk the lock goes with the process, so also after SIGKILL; in a bucket
  see `bucket_lock`.

  Raises:
    InputError: another process holds it; it is named.
    OSError: the file cannot be opened.
  """
  if is_remote(file):
    with contextlib.ExitStack() as stack:
      try:
        stack.enter_context(bucket_lock.hold(file))
      except bucket_lock.Held as held:
        raise _in_use(str(held), file.parent) from None
      yield
    return
  lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
  try:
    _take(lock, file.parent)
    yield
  finally:
    # Closing releases the lock; the file stays, as removing it would race
    # with a run that has it open already.
    os.close(lock)


def _take(lock: int, directory: pathlib.Path) -> None:
  try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    holder = os.pread(lock, 1000, 0).decode(errors="replace").strip()
    raise _in_use(holder or "another process", directory) from None
  except OSError as error:
    # Some network file systems have no locks; that is no reason to refuse.
    logging.warning(
      "%s cannot be locked (%s): start one run only", directory, error
    )
  os.ftruncate(lock, 0)
  holder = f"process {os.getpid()} on {socket.gethostname()}\n"
  os.pwrite(lock, holder.encode(), 0)


def _in_use(holder: str, directory: pathlib.Path) -> InputError:
  return InputError(
    f"expected a free workdir, found that {holder} is using {directory}: wait "
    "for it, stop it, or choose another --workdir"
  )
