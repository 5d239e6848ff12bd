"""A process that another of ours started ends with it."""

import ctypes
import os
import signal
import sys

_PARENT = "UNIMSE_PARENT"  # process id of the one that started us
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# <malloc.h>: no block is a mapping of its own, the end of the heap is never
# given back (-1: no limit), and all threads share the one heap that can grow.
_MALLOC_OPTIONS = {-4: 0, -1: -1, -8: 1}


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


def keep_freed_memory() -> None:
  """Keeps large blocks that are freed, for the next who asks; glibc alone.

  On a CPU, XLA asks for a step's temporary arrays anew at every step. glibc
  would map such blocks and unmap them, and the kernel clears a page whenever it
  is touched first: a tenth of the time of a training step. A freed block does
  not always fit the next of its size, which must be aligned; the heap then
  grows by one and keeps both (by 2 to 11 in 200 steps of a small program). Must
  be called before jax starts its threads, which else have heaps of their own.
  """
  if sys.platform == "linux":
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for option, value in _MALLOC_OPTIONS.items() if mallopt else ():
      mallopt(option, value)
