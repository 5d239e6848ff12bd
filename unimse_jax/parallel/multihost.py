"""Several processes, one run."""

import os

import jax
import numpy as np

from unimse_jax.errors import InputError

# Set by the user's launcher; on Cloud TPU and under Slurm jax finds out by
# itself and only the first is needed.
COORDINATOR = "UNIMSE_COORDINATOR"
PROCESSES = "UNIMSE_PROCESSES"
PROCESS = "UNIMSE_PROCESS"


def initialize(timeout: int = 300) -> None:
  """Joins the other processes, where the environment says there are any.

  UNIMSE_COORDINATOR is host:port of process 0, or "auto" on a Cloud TPU pod
  or a Slurm cluster; with host:port, UNIMSE_PROCESSES and UNIMSE_PROCESS give
  the number of processes and this one's.

  Args:
    timeout: seconds to wait for the others.

  Raises:
    InputError: the variables do not go together, or the others did not come.
  """
  coordinator = os.environ.get(COORDINATOR, "")
  if not coordinator:
    lonely = [name for name in (PROCESSES, PROCESS) if os.environ.get(name)]
    if lonely:
      raise InputError(
        f"expected {COORDINATOR} beside {' and '.join(lonely)}, found none: "
        "set it to host:port of process 0, or unset the others"
      )
    return
  if coordinator == "auto":
    jax.distributed.initialize(initialization_timeout=timeout)
    return
  host, colon, port = coordinator.rpartition(":")
  if not (host and colon and port.isdecimal()):
    raise InputError(
      f"{COORDINATOR}: expected host:port of process 0, or auto; found "
      f"{coordinator!r}"
    )
  count, own = _number(PROCESSES), _number(PROCESS)
  if not own < count:
    raise InputError(
      f"{PROCESS}: expected 0 to {PROCESSES} - 1 = {count - 1}, found {own}"
    )
  jax.distributed.initialize(
    coordinator, count, own, initialization_timeout=timeout
  )


def _number(name: str) -> int:
  value = os.environ.get(name, "")
  if not value.isdecimal():
    raise InputError(
      f"{name}: expected a number beside {COORDINATOR}, found {value!r}"
    )
  return int(value)


def is_first() -> bool:
  """Whether this process writes the files."""
  return jax.process_index() == 0


def wait(name: str) -> None:
  """Blocks until every process has come to this point."""
  if jax.process_count() > 1:
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(name)


def own_rows(batch_size: int) -> slice:
  """This process's share of the rows of a batch."""
  share = batch_size // jax.process_count()
  start = share * jax.process_index()
  return slice(start, start + share)


def gather_rows(array: jax.Array) -> np.ndarray:
  """The whole of an array whose rows are spread over the processes."""
  if jax.process_count() == 1:
    return np.asarray(array)
  from jax.experimental import multihost_utils

  return np.asarray(multihost_utils.process_allgather(array, tiled=True))
