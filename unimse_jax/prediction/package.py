"""A trained model as one directory to give away (docs/prediction.md).

Its form is that of `pipeline.packaged`; `unimse/export.json` is written last.
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

from unimse_cli import storage
from unimse_jax import pipeline as pipeline_lib
from unimse_jax import pretrained
from unimse_jax.errors import InputError
from unimse_jax.files import hash_file
from unimse_jax.parallel import mesh as mesh_lib
from unimse_jax.pipeline import Pipeline
from unimse_jax.pipeline.packaged import (
  CARD,
  FUSION_FILE,
  MANIFEST,
  OWN,
  VERSION,
  is_package,
)
from unimse_jax.prediction import model_card
from unimse_jax.rundir import RunDir


def write(
  workdir: pathlib.Path,
  out: pathlib.Path,
  overwrite: bool,
  name: str = "DIR",
) -> dict:
  """Writes the best checkpoint of a run as a directory to give away.

  Args:
    workdir: directory of the run.
    out: directory that appears whole or not at all.
    overwrite: whether an earlier package there is replaced.
    name: what the card tells readers to open.

  Returns:
    The content of export.json.

  Raises:
    InputError: no run, or something stands at `out`.
  """
  run_dir = RunDir(storage.absolute(workdir))
  config = run_dir.read_config()
  _check_target(out, overwrite)
  pipeline = pipeline_lib.open_pipeline(config, run_dir)
  pipeline.require_unimse("--workdir")
  mesh = mesh_lib.make_mesh(devices=1)
  params, source = pipeline_lib.restore_params(pipeline, mesh, run_dir)
  params = jax.tree.map(np.asarray, params)
  content: dict = {}

  def fill(draft: pathlib.Path) -> None:
    _write(draft, run_dir, pipeline, params)
    card = model_card.write(pipeline, _results(run_dir), source, name)
    (draft / CARD).write_text(card, encoding="utf-8")
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    content.update(
      version=VERSION,
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
  if not is_package(out):
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
