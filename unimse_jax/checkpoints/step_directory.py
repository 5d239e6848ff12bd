"""The directories of the checkpoints: names, retention, clean-up after kills.

`<step>` with a valid manifest inside is a complete checkpoint. Other names are
states in passing: `<step>.orbax-checkpoint-tmp` (being written),
`<step>.deleted` (being deleted), `<step>.replaced` (kept until its successor
of the same step is complete), `<step>.damaged` (set aside for a look).

A bucket cannot rename: there Orbax writes into `<step>` itself, the manifest
comes after the arrays, and Orbax's commit object comes last. A step without
either is one that is being written, or was when its run was killed.
"""

import math
import pathlib
from collections.abc import Mapping
from typing import Any

from absl import logging

from unimse_cli.storage import (
  is_remote,
  make_directory,
  move_tree,
  remove_tree,
)
from unimse_jax.checkpoints import integrity
from unimse_jax.errors import InputError

_TEMPORARY = ".orbax-checkpoint-tmp"
_DELETED = ".deleted"
_REPLACED = ".replaced"
_DAMAGED = ".damaged"
_COMMIT = "commit_success.txt"  # Orbax's, in buckets


class StepDirectory:
  """File operations on the checkpoints of one run; knows nothing of arrays.

  It holds no list of steps in memory: the disk is asked each time, so that a
  failed save, a deletion or another process cannot make it wrong.
  """

  def __init__(self, root: pathlib.Path):
    self.root = root

  def path(self, step: int) -> pathlib.Path:
    """Where the checkpoint of a step is, or will be."""
    return self.root / str(step)

  def temporary_path(self, step: int) -> pathlib.Path:
    """Where Orbax writes a step before it commits it."""
    if is_remote(self.root):
      return self.path(step)
    return self.root / f"{step}{_TEMPORARY}"

  def manifests(self) -> dict[int, dict[str, Any]]:
    """The manifests of all complete steps, by step ascending."""
    manifests = {}
    for path in sorted(self._candidates(), key=lambda path: int(path.name)):
      manifest = integrity.read_manifest(path)
      if is_remote(path) and not (path / _COMMIT).is_file():
        continue
      if manifest is not None and manifest.get("step") == int(path.name):
        manifests[int(path.name)] = manifest
    return manifests

  def manifest(self, step: int) -> dict[str, Any]:
    """The manifest of one complete step.

    Raises:
      InputError: there is none; the message lists the complete steps.
    """
    manifests = self.manifests()
    if step not in manifests:
      raise InputError(
        f"expected a complete checkpoint of step {step} in {self.root}, "
        f"found the steps {list(manifests) or 'none'}: choose one of them"
      )
    return manifests[step]

  def is_good(self, step: int) -> bool:
    """Hashes every file of a step; logs what is damaged."""
    faults = integrity.find_damage(self.path(step))
    if faults:
      logging.warning(
        "checkpoint %d in %s is damaged and is not used: %s",
        step,
        self.root,
        "; ".join(faults),
      )
    return not faults

  def damaged(self) -> list[str]:
    """Names of the steps that were set aside."""
    if not self.root.is_dir():
      return []
    return sorted(path.name for path in self.root.glob(f"*{_DAMAGED}"))

  def prune(self, keep: int, best: int | None) -> None:
    """Deletes all complete steps but the `keep` latest and the best one."""
    steps = list(self.manifests())
    for step in set(steps) - {*steps[-keep:], best}:
      # A kill half-way must not leave half a checkpoint under its name.
      path = self.path(step)
      path = path if is_remote(path) else self._rename(step, _DELETED)
      remove_tree(path, integrity.MANIFEST_NAME)
    for path in self.root.glob(f"*{_REPLACED}"):
      self._put_back(path)

  def make_room(self, step: int) -> None:
    """Moves a checkpoint away that is about to be saved again."""
    if self.path(step).exists():
      self._rename(step, _REPLACED)

  def set_aside(self, step: int) -> None:
    """Moves a damaged or incomplete step away; an empty one is removed.

    In a bucket one without a manifest is what a killed save left: removed too.
    """
    path = self.path(step)
    if is_remote(path):
      if not (path / integrity.MANIFEST_NAME).is_file():
        remove_tree(path)
        return
    elif path.is_dir() and not any(path.iterdir()):
      path.rmdir()
      return
    aside = self._rename(step, _DAMAGED)
    logging.warning("%s is not a whole checkpoint: now %s", path, aside.name)

  def sweep(self) -> None:
    """Makes the root and clears what a killed or failed save left in it.

    Raises:
      InputError: the root cannot be made or written.
    """
    try:
      make_directory(self.root)
      for path in self._entries():
        if path.name.endswith((_TEMPORARY, _DELETED)):
          remove_tree(path)
        elif path.name.endswith(_REPLACED):
          self._put_back(path)
      complete = self.manifests()
      for path in self._candidates():
        if int(path.name) not in complete:
          self.set_aside(int(path.name))
    except OSError as error:
      raise InputError(
        f"expected a writable directory at {self.root}, found: {error}: "
        "choose another --workdir or mend its permissions"
      ) from error

  def _entries(self) -> list[pathlib.Path]:
    # A directory of a bucket is there only if something is in it.
    return list(self.root.iterdir()) if self.root.is_dir() else []

  def _candidates(self) -> list[pathlib.Path]:
    # "04" is no name that we give: it would shadow "4".
    return [
      path
      for path in self._entries()
      if path.name.isdecimal() and path.name == str(int(path.name))
    ]

  def _rename(self, step: int, suffix: str) -> pathlib.Path:
    target = self.root / f"{step}{suffix}"
    return move_tree(self.path(step), target, integrity.MANIFEST_NAME)

  def _put_back(self, path: pathlib.Path) -> None:
    # Superfluous if its successor came into being whole, else still needed.
    original = path.with_name(path.name.removesuffix(_REPLACED))
    if original.exists():
      if not integrity.find_damage(original):
        remove_tree(path, integrity.MANIFEST_NAME)
        return
      self.set_aside(int(original.name))
    move_tree(path, original, integrity.MANIFEST_NAME)


def find_best(
  manifests: Mapping[int, Mapping[str, Any]], metric: str, mode: str
) -> int | None:
  """The step with the highest ("max") or lowest ("min") metric, or None.

  Of equals the earlier step, so that the answer does not move. Steps saved
  without the metric, or with NaN, do not take part.
  """
  sign = {"max": 1.0, "min": -1.0}[mode]
  scores = {
    step: sign * manifests[step]["metrics"].get(metric, math.nan)
    for step in sorted(manifests)
  }
  known = {step: s for step, s in scores.items() if not math.isnan(s)}
  return max(known, key=known.__getitem__, default=None)
