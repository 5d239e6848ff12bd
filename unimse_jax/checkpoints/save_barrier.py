"""A save that fails on one process fails on all, at once.

Behind the training steps Orbax has the processes of a run wait for each other:
first for all arrays, then for process 0 to commit them. It does not tell them
of one that failed; they would wait for it for 20 minutes.
"""

import itertools
import time

import jax

# The same on all processes: they make the same saves in the same order.
_numbers = itertools.count()
_STAGES = 2
_GOOD = "good"


class SaveBarrier:
  """Orbax's `barrier_sync_fn`, for one save after the other.

  Each process leaves a word for each stage in jax's key-value store, and reads
  those of all others.
  """

  def __init__(self):
    self._number, self._stage = -1, _STAGES

  def begin(self) -> None:
    """Prepares for the next save; the last one has ended on all processes."""
    if jax.process_index() == 0 and jax.process_count() > 1:
      _client().key_value_delete(f"{_folder(self._number)}/")
    self._number, self._stage = next(_numbers), 0

  def __call__(self, *, key: str, timeout_ms: int) -> None:
    """Waits until all have come to the next stage.

    Args:
      key: name that Orbax gives it; ours is unique too.
      timeout_ms: how long to wait for all of them.

    Raises:
      OSError: the save failed on another process.
      jax.errors.JaxRuntimeError: one did not come in time.
    """
    stage, self._stage = self._stage, self._stage + 1
    self._leave_word(stage, _GOOD)
    deadline = time.monotonic() + timeout_ms / 1000
    for process in range(jax.process_count()):
      left = max(int(1000 * (deadline - time.monotonic())), 1)
      place = f"{_folder(self._number)}/{stage}/{process}"
      word = _client().blocking_key_value_get(place, left)
      if word != _GOOD:
        raise OSError(word)

  def fail(self, error: Exception) -> None:
    """Tells all who wait for this process, or will, what it ran into."""
    if jax.process_count() == 1:
      return
    for stage in range(self._stage, _STAGES):
      self._leave_word(stage, f"process {jax.process_index()}: {error}")

  def _leave_word(self, stage: int, word: str) -> None:
    place = f"{_folder(self._number)}/{stage}/{jax.process_index()}"
    _client().key_value_set(place, word)


def _folder(number: int) -> str:
  return f"unimse_jax/save/{number}"


def _client():
  # jax has no public way to its key-value store.
  from jax._src import distributed

  return distributed.global_state.client
