"""Saving and restoring pytrees of arrays: async, verified, crash-safe.

A checkpoint is a directory named after its step. Orbax writes the arrays into
`<step>.orbax-checkpoint-tmp`, this module seals them there with a sha256
manifest, and one rename commits both together: there is no moment in which a
step is committed but not sealed. In a bucket, which cannot rename, Orbax's
commit object does so (`step_directory`).

Orbax's AsyncCheckpointer is used, not its CheckpointManager: the manager
counts an empty directory as a step, keeps a list of steps in memory that a
failed save leaves wrong, and deletes old steps before the new one is sealed.
"""

import json
import pathlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from jax.experimental import multihost_utils

from unimse_cli.storage import absolute, user_path
from unimse_jax.checkpoints import integrity
from unimse_jax.checkpoints.arrays import (
  ArrayPath,
  PyTree,
  check_same,
  describe,
  name_arrays,
  nest,
  pick,
)
from unimse_jax.checkpoints.save_barrier import SaveBarrier
from unimse_jax.checkpoints.step_directory import StepDirectory, find_best
from unimse_jax.errors import InputError

# Orbax adds the commit time to this file after our seal; nothing reads it.
_UNSEALED = ("_CHECKPOINT_METADATA",)


class Restored(NamedTuple):
  """What `Checkpointer.restore` returns."""

  state: PyTree
  metadata: dict[str, Any]
  step: int


class Checkpointer:
  """Keeps the latest checkpoints of a directory and the best one.

  All processes of a run make the same calls in the same order and see the
  same file system; process 0 seals, renames and deletes.
  """

  def __init__(
    self,
    directory: pathlib.Path | str,
    keep: int = 2,
    best: tuple[str, str] | None = ("score", "max"),
    read_only: bool = False,
  ):
    """Opens a directory and sweeps what a killed run left in it.

    Args:
      directory: folder of the checkpoints, local or in a bucket; made if
        absent.
      keep: number of the latest steps that stay, at least 1.
      best: (metric, "max" or "min"): the best step by it stays too.
      read_only: touches nothing; for evaluating while another process trains.

    Raises:
      InputError: the directory cannot be made or written.
    """
    if keep < 1 or (best and best[1] not in ("max", "min")):
      raise ValueError(f"keep >= 1 and max or min expected: {keep}, {best}")
    self.directory = absolute(user_path(directory))
    logging.get_absl_logger().addFilter(_is_not_of_orbax)
    self._steps = StepDirectory(self.directory)
    self._keep, self._best, self._read_only = keep, best, read_only
    self._pending: dict[str, Any] | None = None
    self._failure: tuple[int, Exception] | None = None
    self._barrier = SaveBarrier()
    self._orbax = ocp.AsyncCheckpointer(
      ocp.PyTreeCheckpointHandler(),
      async_options=ocp.options.AsyncOptions(
        barrier_sync_fn=self._barrier,
        # Called by process 0 when every array is written, before the rename.
        post_finalization_callback=self._seal_pending,
        # Otherwise the others wait, behind the steps, for a directory that
        # process 0 could not make.
        create_directories_asynchronously=jax.process_count() == 1,
      ),
    )
    if not read_only:
      self._on_process_0("open", self._steps.sweep)

  def __enter__(self) -> Self:
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    self._settle()
    self._orbax.close()
    # An error on its way out matters more than the checkpoint after it.
    if error is None:
      self._raise_failure()

  def steps(self) -> list[int]:
    """The complete steps, ascending. Their content is checked at restore."""
    return list(self._steps.manifests())

  def latest_step(self) -> int | None:
    """The newest complete step, or None."""
    return max(self._steps.manifests(), default=None)

  def best_step(self) -> int | None:
    """The complete step with the best metric (the earlier of equals), or None.

    A step saved without the metric, or with NaN, is never the best.
    """
    return self._best_of(self._steps.manifests())

  def check_none_is_damaged(self) -> None:
    """For a run without a complete step: was there one that broke?

    Raises:
      InputError: yes; starting afresh would cut the run's metrics and bury it.
    """
    names = self._steps.damaged()
    if names:
      raise InputError(
        f"expected a whole checkpoint in {self.directory}, found damaged ones "
        f"alone ({', '.join(names)}): put them back from a copy, or start "
        "afresh in a new --workdir"
      )

  def metrics(self, step: int) -> dict[str, float]:
    """The metrics that a complete step was saved with."""
    return self._steps.manifest(step)["metrics"]

  def save(
    self,
    step: int,
    state: PyTree,
    metadata: Mapping[str, Any],
    metrics: Mapping[str, float] | None = None,
    force: bool = False,
  ) -> None:
    """Starts saving; returns once the arrays may be changed or donated.

    A save that fails later (a full disk) is logged, its remains are removed,
    and training goes on: the next save tries again with newer arrays. Only if
    the last save failed does `wait` or the end of the `with` block raise. One
    that fails on one process is given up by all.

    Args:
      step: the number of the step, >= 0.
      state: pytree of arrays. Random keys as `jax.random.key_data`.
      metadata: JSON values that come back at restore, as they are.
      metrics: values that `best` is chosen by.
      force: replace a complete checkpoint of the same step. The old one stays
        until the new one is complete.

    Raises:
      ValueError: the step exists and `force` is not set; or read_only.
      TypeError: metadata is not JSON, or a leaf is no plain, non-empty array.
      InputError: one of several processes cannot start to save.
    """
    if self._read_only:
      raise ValueError(f"{self.directory} is open for reading only")
    self._settle()
    arrays = name_arrays(state)
    record = _make_record(step, arrays, metadata, metrics or {})
    if step in self._steps.manifests() and not force:
      raise ValueError(
        f"step {step} is already in {self.directory}; pass force=True to "
        "replace it"
      )
    self._pending, self._failure = record, None
    self._barrier.begin()
    try:
      self._on_process_0("clear", lambda: self._steps.make_room(step))
      self._orbax.save(
        _orbax_path(self._steps.path(step)),
        args=ocp.args.PyTreeSave(nest(arrays)),
      )
    except OSError as error:  # anything else is a fault of ours: let it out
      if jax.process_count() > 1:
        # The others wait in a collective; our refusal ends them.
        self._pending, self._failure = None, (step, error)
        self._raise_failure()
      self._note_failure(error)

  def wait(self) -> None:
    """Blocks until the last save is complete.

    Raises:
      InputError: the last save failed; names the cause and what is left.
    """
    self._settle()
    self._raise_failure()

  def restore(
    self,
    abstract_state: PyTree,
    step: int | None = None,
    subtree: str | None = None,
  ) -> Restored:
    """Reads a checkpoint after checking the sha256 of each of its files.

    Args:
      abstract_state: pytree of jax.ShapeDtypeStruct; each array is placed by
        its leaf's sharding (else on the first local device), whatever the
        layout at the time of saving was.
      step: the step; None for the latest that is undamaged. A damaged latest
        step is logged with its damage, set aside as `<step>.damaged` (unless
        read_only) and the one before is tried.
      subtree: reads only this key of the saved state, such as "params"; then
        `abstract_state` describes that part alone.

    Returns:
      (state, metadata, step); the arrays bit for bit as saved.

    Raises:
      InputError: no such step; it, or every step, is damaged; or the arrays
        differ from the expected ones in path, shape or dtype (all listed).
    """
    self._settle()
    step = self._choose_step(step)
    manifest = self._steps.manifest(step)
    # The manifest knows every array's path, shape and type: what does not fit
    # is told before anything is read, and all of it at once.
    prefix = (subtree,) if subtree else ()
    expected = {
      prefix + path: leaf for path, leaf in name_arrays(abstract_state).items()
    }
    saved = {
      name: text
      for name, text in manifest["arrays"].items()
      if not subtree or name.startswith(f"{subtree}/")
    }
    place = str(self._steps.path(step))
    check_same(saved, describe(expected), place)
    arrays = self._read(step, expected)
    # Orbax casts to the wanted dtype silently; nothing may have been cast.
    check_same(describe(arrays), saved, place)
    # Orbax returns nested dicts whatever the state was; its own classes (the
    # optimizer's tuples) come back here.
    treedef = jax.tree.structure(abstract_state)
    state = jax.tree.unflatten(treedef, arrays.values())
    return Restored(state, manifest["metadata"], step)

  def _read(
    self, step: int, expected: Mapping[ArrayPath, Any]
  ) -> dict[ArrayPath, jax.Array]:
    targets = {path: _placed(leaf) for path, leaf in expected.items()}
    nested = self._orbax.restore(
      _orbax_path(self._steps.path(step)),
      args=ocp.args.PyTreeRestore(
        item=nest(expected),
        restore_args=nest(targets),
        # The caller has compared the paths; what is not named is not read.
        partial_restore=True,
      ),
    )
    return {path: pick(nested, path) for path in expected}

  def _best_of(self, manifests: Mapping[int, Mapping[str, Any]]) -> int | None:
    return find_best(manifests, *self._best) if self._best else None

  def _choose_step(self, step: int | None) -> int:
    if step is not None:
      self._steps.manifest(step)  # raises if there is no such step
    chosen = -1
    if jax.process_index() == 0:
      chosen = self._newest_good() if step is None else self._if_good(step)
    if jax.process_count() > 1:
      # One process hashes, all follow: they must not restore different steps.
      chosen = int(multihost_utils.broadcast_one_to_all(np.int32(chosen)))
    if chosen >= 0:
      return chosen
    wanted = "a whole checkpoint" if step is None else f"step {step} whole"
    raise InputError(
      f"expected {wanted} in {self.directory}, found none (damage is logged "
      f"above; the complete steps are {self.steps() or 'none'}): choose one of "
      "these, or use another --workdir to start afresh"
    )

  def _newest_good(self) -> int:
    for step in reversed(self.steps()):
      if self._steps.is_good(step):
        return step
      if not self._read_only:
        # Out of the way, so that training can save this step again.
        self._steps.set_aside(step)
    return -1

  def _if_good(self, step: int) -> int:
    return step if self._steps.is_good(step) else -1

  def _seal_pending(self) -> None:
    directory = self._steps.temporary_path(self._pending["step"])
    integrity.seal(directory, self._pending, exclude=_UNSEALED)

  def _settle(self) -> None:
    """Waits for the save in flight, then deletes what it made superfluous."""
    if self._pending is None:
      return
    try:
      self._orbax.wait_until_finished()
    except Exception as error:  # whatever the writing thread ran into
      self._note_failure(error)
      return
    self._pending = None
    self._on_process_0("prune", self._prune)

  def _prune(self) -> None:
    self._steps.prune(self._keep, self._best_of(self._steps.manifests()))

  def _note_failure(self, error: Exception) -> None:
    self._barrier.fail(error)
    step = self._pending["step"]
    self._pending, self._failure = None, (step, error)
    logging.error("checkpoint %d could not be written: %s", step, error)
    # What is half-written takes the very room that the next save needs.
    self._on_process_0("undo", self._steps.sweep)

  def _raise_failure(self) -> None:
    if self._failure is None:
      return
    step, error = self._failure
    self._failure = None  # told once is enough
    raise InputError(
      f"expected to write checkpoint {step} to {self.directory}, found: "
      f"{error} (the complete steps are {self.steps() or 'none'}): free some "
      "space or mend the path, and run the same command again"
    ) from error

  def _on_process_0(self, name: str, action: Callable[[], None]) -> None:
    if jax.process_index() == 0:
      action()
    if jax.process_count() > 1:
      multihost_utils.sync_global_devices(f"checkpointer_{name}")


def _is_not_of_orbax(record: Any) -> bool:
  # Orbax logs dozens of lines a save through absl, and a traceback for a full
  # disk. What matters of it reaches us as an exception and is logged here.
  return "orbax" not in pathlib.Path(record.pathname).parts


def _make_record(
  step: int,
  arrays: Mapping[ArrayPath, Any],
  metadata: Mapping[str, Any],
  metrics: Mapping[str, float],
) -> dict[str, Any]:
  record = {
    "step": step,
    "metadata": dict(metadata),
    "metrics": {name: float(value) for name, value in metrics.items()},
    "arrays": describe(arrays),
  }
  json.dumps(record)  # fails here, in the caller's sight, not while sealing
  return record


def _orbax_path(path: pathlib.Path) -> epath.Path:
  return epath.Path(str(path))


def _placed(leaf: Any) -> ocp.ArrayRestoreArgs:
  sharding = getattr(leaf, "sharding", None)
  if sharding is None:
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  return ocp.ArrayRestoreArgs(
    sharding=sharding, global_shape=leaf.shape, dtype=leaf.dtype
  )
