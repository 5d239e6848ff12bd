"""Starting one of several processes of a run."""

import os
import sys
from collections.abc import Sequence

from unimse_jax.errors import InputError
from unimse_jax.parallel import meeting, watch
from unimse_jax.parallel.meeting import (
  COORDINATOR,
  PROCESS,
  PROCESSES,
  TIMEOUT,
  Place,
)

_DEFAULT_TIMEOUT = 300  # s
_PORTS = range(1, 2**16)
_CARDS = "JAX_LOCAL_DEVICE_IDS"  # jax's own variable


def join(preemptible: bool = False) -> None:
  """Joins the other processes, where the environment says there are any.

  UNIMSE_COORDINATOR is host:port of process 0, or "auto" on a Cloud TPU pod
  or a Slurm cluster, where jax finds out by itself; with host:port,
  UNIMSE_PROCESSES and UNIMSE_PROCESS give the number of processes and this
  one's. UNIMSE_TIMEOUT is how long to wait for the others, in s.

  Where there are others, this process starts the same command once more,
  watches it and ends with it; only the new process returns from here.

  Args:
    preemptible: whether a SIGTERM is a wish that the work looks for
      (`training.preemption`); otherwise it ends the work.

  Raises:
    InputError: the variables do not go together, or the others did not come.
  """
  if watch.work_is_here():
    watch.prepare_to_work()
    _connect(_place(), preemptible)
    return
  place = _place()
  if place is None:
    return
  channels = meeting.meet(place, _timeout())
  os.environ[COORDINATOR] = place.coordinator
  os.environ[PROCESSES] = str(place.processes)
  os.environ[PROCESS] = str(place.process)
  sys.exit(watch.run(place, channels))


def _connect(place: Place, preemptible: bool) -> None:
  import jax

  jax.config.update("jax_enable_preemption_service", preemptible)
  # All are there, so it may take its own time. Left to look for itself, jax
  # takes one card a process wherever it sees Slurm (`_share_out_cards`).
  jax.distributed.initialize(
    place.coordinator,
    place.processes,
    place.process,
    cluster_detection_method="deactivate",
  )


def _place() -> Place | None:
  """This process's place; None if it is alone."""
  coordinator = os.environ.get(COORDINATOR, "")
  if not coordinator:
    lonely = [
      name for name in (PROCESSES, PROCESS, TIMEOUT) if os.environ.get(name)
    ]
    if lonely:
      raise InputError(
        f"expected {COORDINATOR} beside {' and '.join(lonely)}, found none: "
        "set it to host:port of process 0, or unset the others"
      )
    return None
  if coordinator == "auto":
    return _found_place()
  host, colon, port = coordinator.rpartition(":")
  if not (host and colon and port.isdecimal() and int(port) in _PORTS):
    raise InputError(
      f"{COORDINATOR}: expected host:port of process 0, or auto; found "
      f"{coordinator!r}"
    )
  count, own = _number(PROCESSES), _number(PROCESS)
  if not own < count:
    raise InputError(
      f"{PROCESS}: expected 0 to {PROCESSES} - 1 = {count - 1}, found {own}"
    )
  return Place(coordinator, count, own)


def _found_place() -> Place | None:
  """What jax finds out on a Cloud TPU pod or under Slurm.

  Raises:
    InputError: it finds neither.
  """
  # jax.distributed.initialize() asks the same, but does not tell.
  from jax._src.clusters import ClusterEnv

  coordinator, count, own, card = (
    ClusterEnv.auto_detect_unset_distributed_params(
      None, None, None, None, None, _timeout()
    )
  )
  if None in (coordinator, count, own):
    raise InputError(
      f"{COORDINATOR}=auto: expected a Cloud TPU pod, Slurm or Open MPI, found "
      f"none: set it to host:port of process 0, with {PROCESSES} and {PROCESS}"
    )
  if card is not None:
    _share_out_cards(card)
  return Place(coordinator, count, own)


def _share_out_cards(card: Sequence[int]) -> None:
  """Leaves one card to this process, if others see the same ones.

  A process that is alone on its machine has all of its cards.

  Args:
    card: this process's number among those of its machine.
  """
  found = os.environ.get
  if "OMPI_COMM_WORLD_LOCAL_SIZE" in os.environ:
    alone = found("OMPI_COMM_WORLD_LOCAL_SIZE") == "1"
  else:
    alone = found("SLURM_STEP_NUM_TASKS") == found("SLURM_STEP_NUM_NODES")
  # The cluster may have shared them out itself, as by --gpus-per-task=1.
  has_one = "," not in found("CUDA_VISIBLE_DEVICES", ",")
  if not (alone or has_one):
    os.environ.setdefault(_CARDS, ",".join(map(str, card)))


def _timeout() -> int:
  if not os.environ.get(TIMEOUT):
    return _DEFAULT_TIMEOUT
  return _number(TIMEOUT)


def _number(name: str) -> int:
  value = os.environ.get(name, "")
  if not value.isdecimal():
    raise InputError(
      f"{name}: expected a number beside {COORDINATOR}, found {value!r}"
    )
  return int(value)
