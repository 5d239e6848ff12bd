"""Paths that users write: on this machine, or in a bucket.

A path on this machine is a pathlib.Path, and one in a bucket a UPath, which
answers the same calls. What a program must seek in or map (records, weights,
vocabularies, labels) is copied once to this machine by `fetch`; what a run
writes goes to the bucket itself.

A bucket has no directories and cannot rename: an object appears whole, and of
several the one written last tells that all are there. Credentials are those
of the machine (`gcloud auth application-default login`, a service account, or
the AWS environment). Clients retry by themselves, with growing pauses.
"""

import errno
import fcntl
import functools
import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from absl import logging

from unimse_cli.errors import InputError

_Result = TypeVar("_Result")
_MARK = "://"
# Scheme -> the client's module, and the extra of this package that brings it.
_CLIENTS = {"gs": ("gcsfs", "gcs"), "s3": ("s3fs", "s3")}
_CACHE = "UNIMSE_CACHE"
_FETCHED = ".fetched.json"
# Orbax's paths would import TensorFlow, whose client has credentials of its
# own. They look once, at any path, so this comes with the import.
os.environ.setdefault("EPATH_USE_TF", "false")


def user_path(text: str | pathlib.Path) -> pathlib.Path:
  """The path that a user wrote, with a leading ~ expanded.

  Raises:
    InputError: an address of another kind than gs:// and s3://, or what reads
      those is not installed.
  """
  scheme, mark, rest = str(text).partition(_MARK)
  if not mark:
    return pathlib.Path(text).expanduser()
  if scheme not in _CLIENTS or not rest.strip("/"):
    raise InputError(
      f"expected a local path, gs://BUCKET/PATH or s3://BUCKET/PATH, found "
      f"{text!r}"
    )
  # "a//b" would be another object than "a/b".
  parts = [part for part in rest.split("/") if part]
  return _bucket_path(f"{scheme}{_MARK}{'/'.join(parts)}", scheme)


def local_path(text: str) -> pathlib.Path:
  """As `user_path`, where only what lies on this machine will do.

  Raises:
    InputError: it is an address.
  """
  if _MARK in text:
    raise InputError(
      f"expected a path on this machine, found {text!r}: copy or mount it"
    )
  return pathlib.Path(text).expanduser()


def absolute(path: pathlib.Path) -> pathlib.Path:
  """The path from the root; of a bucket it is already."""
  return path if is_remote(path) else path.absolute()


def is_remote(path: pathlib.Path) -> bool:
  """Whether a path of `user_path` lies in a bucket."""
  return not isinstance(path, pathlib.PurePath)


def make_directory(path: pathlib.Path) -> None:
  """Makes a directory and those above it; a bucket needs none."""
  if not is_remote(path):
    path.mkdir(parents=True, exist_ok=True)


def _bucket_path(text: str, scheme: str) -> pathlib.Path:
  module, extra = _CLIENTS[scheme]
  try:
    __import__(module)
    import fsspec.config
    from upath import UPath
  except ImportError as error:
    raise InputError(
      f"{text}: expected {module} and universal_pathlib to read and write "
      f"buckets, found none ({error}): python -m pip install "
      f"'unimse_jax[{extra}]'"
    ) from error
  # A listing that is remembered hides what Orbax and other hosts write. The
  # clients that Orbax opens take their defaults from here too.
  fsspec.config.conf.setdefault(scheme, {})["use_listings_cache"] = False
  return UPath(text)


def reach(path: pathlib.Path) -> None:
  """Checks that a bucket is there and may be read; nothing for local paths.

  Raises:
    InputError: it is not, with the client's reason.
  """
  if is_remote(path):
    # s3fs has no such limit; what it lists is the root of the bucket.
    limit = {"max_items": 1} if path.protocol == "gs" else {}
    _named(path, lambda: path.fs.ls(_bucket(path), **limit))


def _bucket(path: pathlib.Path) -> str:
  return path.path.partition("/")[0]


def _named(path: pathlib.Path, action: Callable[[], _Result]) -> _Result:
  """The action's result; what the clients raise as one sentence."""
  try:
    return action()
  except InputError:
    raise
  # gcsfs, aiohttp, botocore and google.auth raise kinds of their own.
  except Exception as error:
    raise InputError(
      f"{path}: expected a bucket that can be reached with the credentials of "
      f"this machine, found {type(error).__name__}: {_first_line(error)}"
    ) from error


def _first_line(error: Exception) -> str:
  return str(error).strip().partition("\n")[0]


def write_object(
  path: pathlib.Path, content: bytes, create: bool = False
) -> None:
  """Writes an object of a bucket, whole.

  Args:
    path: place in a bucket.
    content: the object.
    create: fails where there is one already.

  Raises:
    FileExistsError: there is one, and `create` is set.
    OSError: it could not be written, after the client's own retries.
  """
  mode = "create" if create else "overwrite"
  _as_os_error(path, lambda: path.fs.pipe_file(path.path, content, mode=mode))


def read_object(path: pathlib.Path) -> bytes:
  """Reads an object of a bucket, whole.

  Raises:
    FileNotFoundError: there is none.
    OSError: it could not be read, after the client's own retries.
  """
  return _as_os_error(path, lambda: path.fs.cat_file(path.path))


def copy_object(path: pathlib.Path, target: pathlib.Path) -> None:
  """Copies an object of a bucket to a file; raises as `read_object`."""
  _as_os_error(path, lambda: path.fs.get_file(path.path, str(target)))


def identify(path: pathlib.Path) -> list[int | str]:
  """What tells a file from its own later content: size, and time or number.

  Raises:
    FileNotFoundError: there is none.
    OSError: the bucket cannot be read.
  """
  if not is_remote(path):
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]
  info = _as_os_error(path, lambda: path.fs.info(path.path))
  return [info["size"], _mark(info)]


def _mark(info: Mapping[str, Any]) -> str:
  """What changes when an object does."""
  return str(info.get("generation") or info.get("ETag") or info.get("mtime"))


def _as_os_error(path: pathlib.Path, action: Callable[[], _Result]) -> _Result:
  """The action's result; what the clients raise beside OSError is made one."""
  try:
    return action()
  except OSError:
    raise
  except Exception as error:
    raise OSError(errno.EIO, _first_line(error), str(path)) from error


def files_below(path: pathlib.Path) -> list[pathlib.Path]:
  """All files at any depth below a directory of a bucket, by one listing.

  Raises:
    InputError: the bucket cannot be read.
  """
  names = _named(path, lambda: path.fs.find(path.path))
  return [path / name.removeprefix(path.path).lstrip("/") for name in names]


# Copies on this machine


def fetch(text: str) -> pathlib.Path:
  """The local path of a file or directory that a user wrote.

  What lies in a bucket is copied to a cache of this machine; a later call
  copies only what has changed in the bucket since. Processes of one machine
  share the cache and wait for one another.

  Args:
    text: local path, gs:// or s3://; it need not exist.

  Returns:
    local path; where the bucket holds nothing, it does not exist.

  Raises:
    InputError: as `user_path`, or the bucket cannot be read.
  """
  path = user_path(text)
  return _fetch(str(path), "") if is_remote(path) else path


def fetch_with_companions(text: str) -> pathlib.Path:
  """As `fetch`, for a file FILE.x and all that is named FILE.* beside it."""
  path = user_path(text)
  if not is_remote(path):
    return path
  return _fetch(str(path.parent), f"{path.stem}.") / path.name


# Once a process: a run must not see its inputs change under it.
@functools.cache
def _fetch(text: str, prefix: str) -> pathlib.Path:
  path = user_path(text)
  local = cache_folder() / "buckets" / text.replace(_MARK, "/")
  held = local if prefix else local.parent
  held.mkdir(parents=True, exist_ok=True)
  with (held / f".{prefix or local.name}.lock").open("w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    _named(path, lambda: _update(path, local, prefix))
  return local


def cache_folder() -> pathlib.Path:
  """Folder of what may be lost: $UNIMSE_CACHE, or ~/.cache/unimse_jax."""
  given = os.environ.get(_CACHE)
  return pathlib.Path(given or "~/.cache/unimse_jax").expanduser()


def _update(path: pathlib.Path, local: pathlib.Path, prefix: str) -> None:
  """Copies what differs; what has gone from the bucket goes here too."""
  there = dict(_objects(path, prefix))
  record = local.with_name(f".{local.name}{_FETCHED}")
  if prefix:
    record = local / f".{prefix}{_FETCHED.lstrip('.')}"
  here = json.loads(record.read_text()) if record.is_file() else {}
  for name in here.keys() - there.keys():
    (local / name).unlink(missing_ok=True)
  changed = [name for name in there if here.get(name) != there[name]]
  if not changed:
    return
  # Unrecorded first: a killed copy must not be taken for a whole one.
  record.unlink(missing_ok=True)
  megabytes = sum(there[name]["size"] for name in changed) / 2**20
  logging.info("Copying %.1f MB of %s to %s", megabytes, path, local)
  start = time.monotonic()
  sources = [f"{path.path}/{name}" if name else path.path for name in changed]
  targets = [local / name if name else local for name in changed]
  for target in targets:
    target.parent.mkdir(parents=True, exist_ok=True)
  path.fs.get(sources, [str(target) for target in targets])
  record.write_text(json.dumps(there))
  logging.info("Copied in %.1f s", time.monotonic() - start)


def _objects(
  path: pathlib.Path, prefix: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
  """Name below the path -> what changes when the object does."""
  depth = 1 if prefix else None
  objects = path.fs.find(path.path, maxdepth=depth, detail=True)
  if not objects:
    reach(path)  # nothing there, or no bucket at all?
  for name, info in objects.items():
    below = name.removeprefix(path.path).lstrip("/")
    if below.startswith(prefix):
      yield below, {"size": info["size"], "mark": _mark(info)}


# Whole directories


def remove_tree(path: pathlib.Path, last: str = "") -> None:
  """Removes a directory and all below it.

  Args:
    path: the directory.
    last: name of the file in it that tells a whole directory; in a bucket it
      goes first, so that a kill leaves nothing that looks whole.
  """
  if not is_remote(path):
    shutil.rmtree(path)
    return
  if last:
    (path / last).unlink(missing_ok=True)
  path.fs.rm(path.path, recursive=True)


def upload_tree(
  source: pathlib.Path, target: pathlib.Path, last: str = ""
) -> None:
  """Copies a local directory into a bucket.

  Args:
    source: the directory.
    target: its place in a bucket.
    last: name of the file that tells a whole directory; it is written last.
  """
  files = [path for path in source.rglob("*") if path.is_file()]
  for file in sorted(files, key=lambda file: file == source / last):
    name = file.relative_to(source).as_posix()
    target.fs.put_file(str(file), f"{target.path}/{name}")


def move_tree(
  source: pathlib.Path, target: pathlib.Path, last: str = ""
) -> pathlib.Path:
  """Gives a directory another name; an older one of that name is removed.

  In a bucket every object is copied within it, and the one that tells a whole
  directory comes last in the copy and goes first in the original.

  Args:
    source: the directory.
    target: its new name, in the same bucket or file system.
    last: name of the file that tells a whole directory.

  Returns:
    target.
  """
  if target.exists():
    remove_tree(target, last)
  if not is_remote(source):
    return source.rename(target)
  names = [
    name.removeprefix(source.path).lstrip("/")
    for name in source.fs.find(source.path)
  ]
  for name in sorted(names, key=lambda name: name == last):
    source.fs.cp_file(f"{source.path}/{name}", f"{target.path}/{name}")
  remove_tree(source, last)
  return target
