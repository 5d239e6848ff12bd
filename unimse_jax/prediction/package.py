"""A trained model as one directory to give away, and back (docs/prediction.md).

The directory is the T5 in the Hugging Face form, with all that is UniMSE's in
its folder `unimse`. `unimse/export.json` is written last and has the sha256 of
every other file.
"""

import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import traverse_util
from typing_extensions import TypedDict

from unimse_cli import storage
from unimse_jax import pipeline as pipeline_lib
from unimse_jax import pretrained
from unimse_jax.errors import InputError
from unimse_jax.files import hash_file, read_json
from unimse_jax.parallel import mesh as mesh_lib
from unimse_jax.pipeline import Pipeline
from unimse_jax.prediction import model_card
from unimse_jax.rundir import RunDir

OWN = "unimse"
FUSION_FILE = f"{OWN}/fusion.safetensors"
MANIFEST = f"{OWN}/export.json"
_VERSION = 1
_ADVICE = "package or copy the run again"


class _Manifest(TypedDict):
  """What is read of export.json."""

  files: dict[str, str]


def write(workdir: pathlib.Path, out: pathlib.Path, overwrite: bool) -> dict:
  """Writes the best checkpoint of a run as a directory to give away.

  Args:
    workdir: directory of the run.
    out: directory that appears whole or not at all.
    overwrite: whether an earlier package there is replaced.

  Returns:
    The content of export.json.

  Raises:
    InputError: no run, or something stands at `out`.
  """
  run_dir = RunDir(storage.absolute(workdir))
  config = run_dir.read_config()
  _check_target(out, overwrite)
  pipeline = pipeline_lib.open_pipeline(config, run_dir)
  mesh = mesh_lib.make_mesh(devices=1)
  params, source = pipeline_lib.restore_params(pipeline, mesh, run_dir)
  params = jax.tree.map(np.asarray, params)
  content: dict = {}

  def fill(draft: pathlib.Path) -> None:
    _write(draft, run_dir, pipeline, params)
    card = model_card.write(pipeline, _results(run_dir), source)
    (draft / "README.md").write_text(card, encoding="utf-8")
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    content.update(
      version=_VERSION,
      source=source,
      files={
        path.relative_to(draft).as_posix(): hash_file(path) for path in files
      },
    )
    (draft / MANIFEST).write_text(json.dumps(content, indent=2) + "\n")

  _make_directory(out, fill)
  return content


def _results(run_dir: RunDir) -> dict[str, Any]:
  """split -> results, of the splits that were evaluated."""
  results = {split: run_dir.results(split) for split in ("test", "validation")}
  return {split: each for split, each in results.items() if each is not None}


def _write(
  draft: pathlib.Path, run_dir: RunDir, pipeline: Pipeline, params: Any
) -> None:
  from safetensors.numpy import save_file

  (draft / OWN).mkdir()
  for file in (run_dir.config_file, run_dir.features_file, run_dir.model_file):
    (draft / OWN / file.name).write_bytes(file.read_bytes())
  vocabulary = run_dir.tokenizer_file.read_bytes()
  rest = {name: tree for name, tree in params.items() if name != "t5"}
  pretrained.save(draft, pipeline.model.config.t5, params["t5"], vocabulary)
  flat = traverse_util.flatten_dict(rest, sep="/")
  save_file(
    {name: np.ascontiguousarray(leaf) for name, leaf in flat.items()},
    draft / FUSION_FILE,
  )


def _check_target(out: pathlib.Path, overwrite: bool) -> None:
  if not out.exists() or (out.is_dir() and not any(out.iterdir())):
    return
  if not (out / MANIFEST).is_file():
    raise InputError(
      f"--out: expected a new directory or an earlier package, found {out} "
      "with other content, which is never replaced. Choose another --out."
    )
  if not overwrite:
    raise InputError(
      f"--out: a package is at {out} already. Give --overwrite to replace it."
    )


def _make_directory(
  out: pathlib.Path, fill: Callable[[pathlib.Path], None]
) -> None:
  """Fills a hidden draft beside `out` and renames it at the very end."""
  if storage.is_remote(out):
    _upload_directory(out, fill)
    return
  out = out.absolute()
  draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
  old = out.with_name(f".{out.name}.{os.getpid()}.old")
  try:
    draft.mkdir(parents=True)
    fill(draft)
    if out.exists():
      os.rename(out, old)
    os.rename(draft, out)
  except OSError as error:
    raise InputError(f"--out: {out} cannot be written: {error}") from error
  finally:
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _upload_directory(
  out: pathlib.Path, fill: Callable[[pathlib.Path], None]
) -> None:
  """Fills a local draft and copies it into a bucket, the manifest last."""
  with tempfile.TemporaryDirectory(prefix="unimse_package_") as folder:
    draft = pathlib.Path(folder)
    fill(draft)
    if out.exists():
      storage.remove_tree(out, MANIFEST)
    storage.upload_tree(draft, out, MANIFEST)


def load(directory: pathlib.Path) -> tuple[Pipeline, Any]:
  """The pipeline and the parameters (numpy, float32) of a package.

  Raises:
    InputError: no package is there, or a file was lost, changed or cut.
  """
  manifest = directory / MANIFEST
  if not manifest.is_file():
    raise InputError(
      f"Expected a directory of unimse_jax.package, found no {manifest}."
    )
  files = read_json(manifest, _ADVICE, _Manifest)["files"]
  # The card is the user's to edit; everything else is what was trained.
  damaged = [
    name
    for name, digest in files.items()
    if name != "README.md"
    and not (
      (directory / name).is_file() and hash_file(directory / name) == digest
    )
  ]
  if damaged:
    raise InputError(
      f"Package {directory}: expected the sha256 of export.json, found other "
      f"or no content in {', '.join(damaged)}: {_ADVICE}."
    )
  own = RunDir(directory / OWN)
  pipeline = pipeline_lib.open_pipeline(
    own.read_config(), own, directory / own.tokenizer_file.name
  )
  return pipeline, _load_params(directory)


def _load_params(directory: pathlib.Path) -> Any:
  from safetensors.numpy import load_file

  rest = load_file(directory / FUSION_FILE)
  _, t5 = pretrained.load(str(directory))
  return {"t5": t5, **traverse_util.unflatten_dict(rest, sep="/")}
