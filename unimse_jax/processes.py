"""A process that another of ours started ends with it."""

import ctypes
import os
import signal
import sys

_PARENT = "UNIMSE_PARENT"  # process id of the one that started us
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def child_environment() -> dict[str, str]:
  """Environment variables for a child that shall stop with this process."""
  return {**os.environ, _PARENT: str(os.getpid())}


def stop_with_parent() -> None:
  """Asks for SIGTERM when the process that started this one is killed.

  A run of --seeds or ablate then saves and leaves; as an orphan it would go on
  and hold the lock of its directory. Linux alone offers it.
  """
  if os.environ.get(_PARENT) == str(os.getppid()):
    end_with_parent(signal.SIGTERM)


def end_with_parent(number: signal.Signals) -> None:
  """Asks for a signal when the parent of this process ends; Linux alone."""
  if sys.platform == "linux":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
