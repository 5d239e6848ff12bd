"""A packaged model opened: the directory that unimse_jax.package writes.

It is a T5 in the Hugging Face form, with all that is UniMSE's in its folder
`unimse`; `unimse/export.json` has the sha256 of every other file.
"""

import pathlib
from typing import Any

import jax
from flax import traverse_util
from jax.sharding import Mesh
from typing_extensions import TypedDict

from unimse_cli import storage
from unimse_jax import pretrained
from unimse_jax.errors import InputError
from unimse_jax.files import hash_file, read_json
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.pipeline import Pipeline, open_pipeline
from unimse_jax.rundir import RunDir

OWN = "unimse"
FUSION_FILE = f"{OWN}/fusion.safetensors"
MANIFEST = f"{OWN}/export.json"
VERSION = 1  # of this form of a directory; higher where older code misreads it
# The card is the user's to edit; everything else is what was trained.
CARD = "README.md"
_ADVICE = "package or copy the run again"


class _Manifest(TypedDict):
  """What is read of export.json."""

  version: int
  files: dict[str, str]
  source: dict[str, Any]


def locate(
  path_or_hub_name: str,
  what: str = "Packaged model",
  expected: str = "a directory of unimse_jax.package",
) -> pathlib.Path:
  """The directory of a package, downloaded from the hub if need be.

  Args:
    path_or_hub_name: directory, local or in a bucket, or "owner/name" of the
      hub, with "@revision" for a branch, tag or commit of it.
    what: what is looked for, for the message.
    expected: what a directory may be.

  Raises:
    InputError: nothing is there and the hub does not have it.
  """
  directory = storage.fetch(path_or_hub_name)
  if directory.is_dir():
    return directory
  return pretrained.snapshot(
    what,
    path_or_hub_name,
    None,
    f"Expected {expected}, or the name of a package on the hub; a private one "
    "needs `hf auth login` or HF_TOKEN.",
    is_whole=None,
  )


def is_package(directory: pathlib.Path) -> bool:
  """Whether a package is there, whole or damaged."""
  return (directory / MANIFEST).is_file()


def _read_manifest(directory: pathlib.Path) -> _Manifest:
  manifest = read_json(directory / MANIFEST, _ADVICE, _Manifest)
  if manifest["version"] > VERSION:
    raise InputError(
      f"Package {directory}: expected form {VERSION} or an earlier one, found "
      f"{manifest['version']}: a newer version of unimse_jax made it; update "
      "this one."
    )
  return manifest


def checkpoint(directory: pathlib.Path) -> dict[str, Any]:
  """The checkpoint of the run that was packaged: its kind, step and epoch."""
  return _read_manifest(directory)["source"]


def vocabulary(directory: pathlib.Path) -> pathlib.Path:
  """The SentencePiece file of a package."""
  return directory / RunDir(directory).tokenizer_file.name


def check(directory: pathlib.Path) -> None:
  """Compares every file with its sha256.

  Raises:
    InputError: no package is there, or a file was lost, changed or cut.
  """
  if not is_package(directory):
    raise InputError(
      f"Expected a directory of unimse_jax.package, found no "
      f"{directory / MANIFEST}."
    )
  damaged = [
    name
    for name, digest in _read_manifest(directory)["files"].items()
    if name != CARD
    and not (
      (directory / name).is_file() and hash_file(directory / name) == digest
    )
  ]
  if damaged:
    raise InputError(
      f"Package {directory}: expected the sha256 of export.json, found other "
      f"or no content in {', '.join(damaged)}: {_ADVICE}."
    )


def load(directory: pathlib.Path) -> Pipeline:
  """The pipeline of a package; its parameters are read by `load_params`.

  Raises:
    InputError: as `check` does.
  """
  check(directory)
  own = RunDir(directory / OWN)
  return open_pipeline(own.read_config(), own, vocabulary(directory))


def load_params(directory: pathlib.Path, mesh: Mesh) -> Any:
  """The parameters of a package that was loaded: float32, on a mesh."""
  params = read_params(directory)
  return jax.device_put(params, sharding.state_sharding(params, mesh))


def read_params(directory: pathlib.Path) -> Any:
  """The same as numpy arrays."""
  from safetensors.numpy import load_file

  rest = load_file(directory / FUSION_FILE)
  _, t5 = pretrained.load(str(directory))
  return {"t5": t5, **traverse_util.unflatten_dict(rest, sep="/")}
