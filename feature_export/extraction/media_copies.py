"""Raw media of a bucket, copied to this machine for as long as they are needed.

Decoders read from a copy and not from the bucket itself: they seek back and
forth, a request each time, and a connection that breaks inside a decoder would
look like the end of the medium. Here it is an error of the copy, and the medium
is tried again.

Processes of one machine share the copies. Clips of one file (dialogues, whole
videos) come one after the other, so a file is copied once; of what is no longer
used, the oldest go first.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from feature_export.corpora.utterance import Media
from unimse_cli import storage

_KEPT_BYTES = 8 << 30


@contextlib.contextmanager
def on_this_machine(media: Media) -> Iterator[Media]:
  """The same stretch of a file of this machine.

  Yields:
    `media` itself where it is on this machine; otherwise of a copy, which does
    not exist where the bucket has no such object.

  Raises:
    OSError: the bucket cannot be read, or the copy not be written.
  """
  if not storage.is_remote(media.path):
    yield media
    return
  folder = storage.cache_folder() / "media"
  folder.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(dir=folder, prefix="used-") as used:
    # A link of its own: whoever makes room removes the name of the copy, not
    # what is being read.
    own = Path(used, media.path.name)
    with contextlib.suppress(FileNotFoundError):
      _link(media.path, folder, own)
    yield replace(media, path=own)
  _make_room(folder)


def _link(path: Path, folder: Path, own: Path) -> None:
  """Gives a copy another name; it is made where there is none.

  Raises:
    FileNotFoundError: the bucket has no such object.
  """
  content = f"{path} {storage.identify(path)}"
  key = hashlib.sha256(content.encode()).hexdigest()
  copy = folder / key
  # Few lock files, which stay: one that is removed could still be held.
  with (folder / f"{key[:2]}.lock").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not copy.exists():
      draft = own.with_name("draft")
      storage.copy_object(path, draft)
      os.replace(draft, copy)
    os.utime(copy)  # used last
    os.link(copy, own)


def _make_room(folder: Path) -> None:
  """Removes the copies that were not used for longest."""
  copies = []
  for entry in os.scandir(folder):
    with contextlib.suppress(FileNotFoundError):
      if entry.is_file() and not entry.name.endswith(".lock"):
        copies.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
  excess = sum(size for _, size, _ in copies) - _KEPT_BYTES
  for _, size, path in sorted(copies):
    if excess <= 0:
      break
    Path(path).unlink(missing_ok=True)
    excess -= size
