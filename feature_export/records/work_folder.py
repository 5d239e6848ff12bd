"""Work in progress beside the datasets, and how a dataset gets its place.

On a disk a finished dataset is renamed into its place. A bucket cannot rename:
there dataset_info.json, without which no reader takes a dataset, is written
last and removed first.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from feature_export.errors import InputError
from feature_export.records.schema import INFO_FILE
from unimse_cli import bucket_lock, storage


@dataclass(frozen=True)
class WorkFolder:
  """The places of an export that is not finished.

  Attributes:
    path: hidden folder beside the datasets; it keeps the features that are
      finished.
    draft: folder on this machine for the dataset; it does not exist yet.
  """

  path: Path
  draft: Path


@contextlib.contextmanager
def open_work_folder(out: Path, name: str) -> Iterator[WorkFolder]:
  """Opens the work folder of a corpus, for one export at a time.

  It stays when an export is interrupted, and `publish` removes it.

  Args:
    out: folder of all datasets.
    name: corpus name.

  Raises:
    InputError: `out` cannot be written, or another export uses the folder.
  """
  path = out / f".incomplete-{name}"
  if storage.is_remote(out):
    # By its address: one machine may export to several places.
    key = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    draft = storage.cache_folder() / "drafts" / key
  else:
    draft = path / "draft"
  with contextlib.ExitStack() as stack:
    try:
      stack.enter_context(_lock(path))
    except bucket_lock.Held as held:
      raise InputError(
        f"Another export of {name} to {out} is running ({held}). Wait for it, "
        "or give --name or --out."
      ) from held
    except OSError as error:
      raise InputError(f"Cannot write to {out}: {error}. Correct --out.") from (
        error
      )
    # What an interrupted export was writing cannot be continued; its features
    # can.
    for leftover in (draft, _replaced(path)):
      if not storage.is_remote(leftover):
        shutil.rmtree(leftover, ignore_errors=True)
    yield WorkFolder(path, draft)


@contextlib.contextmanager
def _lock(work: Path) -> Iterator[None]:
  """Holds a work folder, and makes it where there is none.

  Raises:
    Held: another process holds it.
    OSError: it cannot be made.
  """
  if storage.is_remote(work):
    with bucket_lock.hold(work / ".lock"):
      yield
    return
  work.mkdir(parents=True, exist_ok=True)
  with (work / "lock").open("w") as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      raise bucket_lock.Held("on this machine") from error
    yield


def _replaced(work: Path) -> Path:
  """Where an old dataset goes before it is removed."""
  return work / "replaced"


def is_whole(target: Path) -> bool:
  """Whether there is a dataset; what a killed upload leaves is none."""
  place = target / INFO_FILE if storage.is_remote(target) else target
  return place.exists()


def publish(made: Path, target: Path, work: WorkFolder) -> None:
  """Puts a complete dataset in its place and removes the work folder.

  Args:
    made: dataset on this machine.
    target: its place; what is there is replaced.
    work: work folder of the export.
  """
  if storage.is_remote(target):
    if target.exists():
      storage.remove_tree(target, INFO_FILE)
    storage.upload_tree(made, target, INFO_FILE)
    shutil.rmtree(work.draft)
  else:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
      # Two renames. An interruption between them leaves no dataset rather than
      # half of one.
      os.rename(target, _replaced(work.path))
    os.rename(made, target)
  _remove(work.path)


def _remove(work: Path) -> None:
  """Removes a work folder. What cannot be removed stays and harms nobody."""
  if not storage.is_remote(work):
    shutil.rmtree(work, ignore_errors=True)
    return
  with contextlib.suppress(OSError):
    storage.remove_tree(work)
