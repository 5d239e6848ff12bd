"""The directory of a run: one config, one process at a time."""

import contextlib
import fcntl
import json
import os
import pathlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from absl import logging

from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically

CONFIG_NAME = "config.json"
LOCK_NAME = ".lock"
_ABSENT = "(absent)"


@contextlib.contextmanager
def prepare(
  workdir: pathlib.Path | str,
  config: Mapping[str, Any],
  free: Sequence[str] = (),
  primary: bool = True,
) -> Iterator[pathlib.Path]:
  """Makes or reopens a workdir and holds its lock while the block runs.

  Args:
    workdir: local path; made with its parents.
    config: nested dict of JSON values; written to `workdir/config.json`.
    free: dotted fields, or prefixes of them ("train.epochs", "log"), that may
      differ from the config the workdir was made with; the file is updated.
    primary: False on processes other than 0: nothing is locked or written.

  Yields:
    The absolute path of the workdir. The lock goes with the process, so also
    after SIGKILL.

  Raises:
    InputError: the workdir cannot be made or written; another run uses it; or
      it was made by another config (every differing field is named).
  """
  path = pathlib.Path(workdir).absolute()
  if not primary:
    yield path
    return
  try:
    path.mkdir(parents=True, exist_ok=True)
    lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
  except OSError as error:
    raise _unusable(path, error) from error
  try:
    _lock(lock, path)
    _settle_config(path, config, free)
    yield path
  finally:
    # Closing releases the lock; the file stays, as removing it would race
    # with a run that has it open already.
    os.close(lock)


def check_same_config(
  workdir: pathlib.Path | str,
  config: Mapping[str, Any],
  free: Sequence[str] = (),
) -> None:
  """Checks that a run of this config lives in the workdir; writes nothing.

  Args:
    workdir: local path.
    config: nested dict of JSON values.
    free: as for `prepare`.

  Raises:
    InputError: no run there, or one of another config.
  """
  file = pathlib.Path(workdir).absolute() / CONFIG_NAME
  if not file.is_file():
    raise InputError(
      f"expected the workdir of a training run, found no {file}: train first, "
      "or correct --workdir"
    )
  _compare(file, _read(file), json.loads(json.dumps(config)), free)


def differing_fields(
  old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
  """Fields of two nested configs that differ: {"model.width": (256, 512)}.

  A field that one side lacks counts as "(absent)".
  """
  before, after = _flatten(old), _flatten(new)
  return {
    field: (before.get(field, _ABSENT), after.get(field, _ABSENT))
    for field in sorted(before.keys() | after.keys())
    if before.get(field, _ABSENT) != after.get(field, _ABSENT)
  }


def _lock(lock: int, path: pathlib.Path) -> None:
  try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    holder = os.pread(lock, 1000, 0).decode(errors="replace").strip()
    raise InputError(
      f"expected a free workdir, found that {holder or 'another process'} is "
      f"using {path}: wait for it, stop it, or choose another --workdir"
    ) from None
  except OSError as error:
    # Some network file systems have no locks; that is no reason to refuse.
    logging.warning("%s cannot be locked (%s): start one run only", path, error)
  os.ftruncate(lock, 0)
  holder = f"process {os.getpid()} on {socket.gethostname()}\n"
  os.pwrite(lock, holder.encode(), 0)


def _settle_config(
  path: pathlib.Path, config: Mapping[str, Any], free: Sequence[str]
) -> None:
  text = json.dumps(config, indent=2, sort_keys=True) + "\n"
  file = path / CONFIG_NAME
  if file.exists():
    # Through JSON, so that a tuple and a list are the same.
    _compare(file, _read(file), json.loads(text), free)
  try:
    write_atomically(file, text.encode())
  except OSError as error:
    raise _unusable(path, error) from error


def _read(file: pathlib.Path) -> dict[str, Any]:
  try:
    config = json.loads(file.read_text(encoding="utf-8"))
  except (OSError, ValueError) as error:
    raise InputError(
      f"expected the config of an earlier run in {file}, found: {error}: "
      "choose another --workdir, or put the file back"
    ) from error
  if isinstance(config, dict):
    return config
  raise InputError(
    f"expected a JSON object in {file}, found {type(config).__name__}: choose "
    "another --workdir, or put the file back"
  )


def _compare(
  file: pathlib.Path,
  old: Mapping[str, Any],
  new: Mapping[str, Any],
  free: Sequence[str],
) -> None:
  faults = [
    f"  {field}: was {before!r}, now {after!r}"
    for field, (before, after) in differing_fields(old, new).items()
    if not any(field == name or field.startswith(f"{name}.") for name in free)
  ]
  if faults:
    raise InputError(
      f"expected the config that {file} was made with, found other values in "
      f"{len(faults)} field(s):\n" + "\n".join(faults) + "\nrun with the same "
      "config to resume, or choose a new --workdir"
    )


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  flat = {}
  for key, value in config.items():
    if isinstance(value, Mapping) and value:
      flat |= _flatten(value, f"{prefix}{key}.")
    else:
      flat[f"{prefix}{key}"] = value
  return flat


def _unusable(path: pathlib.Path, error: OSError) -> InputError:
  return InputError(
    f"expected a writable directory at {path}, found: {error}: choose another "
    "--workdir or mend its permissions"
  )
