"""Several processes, one run."""

import jax
import numpy as np


def is_first() -> bool:
  """Whether this process writes the files."""
  return jax.process_index() == 0


def wait(name: str) -> None:
  """Blocks until every process has come to this point."""
  if jax.process_count() > 1:
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(name)


def gather_rows(array: jax.Array) -> np.ndarray:
  """The whole of an array whose rows are spread over the processes."""
  if jax.process_count() == 1:
    return np.asarray(array)
  from jax.experimental import multihost_utils

  return np.asarray(multihost_utils.process_allgather(array, tiled=True))
