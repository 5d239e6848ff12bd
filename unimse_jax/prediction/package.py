"""A trained model as one directory to give away (docs/prediction.md).

Its form is that of `pipeline.packaged`; `unimse/export.json` is written last.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from absl import logging
from flax import traverse_util

from unimse_cli import storage
from unimse_jax import config as config_lib
from unimse_jax import pipeline as pipeline_lib
from unimse_jax import pretrained
from unimse_jax.config import Config
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
    results = _results(run_dir, config, source["step"])
    card = model_card.write(pipeline, results, source, name)
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


def _results(
  run_dir: RunDir, config: Config, step: int
) -> dict[str, dict[str, Any]]:
  """split -> results of the splits whose scores are the packaged model's.

  Others are named in the log: training may have found a better checkpoint
  since, and `eval` takes another checkpoint and another decoding.
  """
  kept = {}
  for split in ("test", "validation"):
    results = run_dir.results(split)
    if results is None:
      continue
    found = results["selection"].get("step")
    if found != step:
      other = f"step {found}, and step {step} is packaged"
    elif not _is_decoded_alike(results["provenance"]["config"], config):
      other = "another decoding than that of the packaged config"
    else:
      kept[split] = results
      continue
    logging.warning(
      "The card leaves out the %s scores: they are of %s. Before you package "
      "again, run `python -m unimse_jax.eval --workdir %s --split %s`.",
      *(split, other, run_dir.path, split),
    )
  return kept


def _is_decoded_alike(stored: Mapping[str, Any], config: Config) -> bool:
  """Whether a result's config, of some version, decodes as the run's does."""
  try:
    decoding = config_lib.read_stored(stored, "a result").config.decoding
  except InputError:  # another version's, which is not to be understood
    return False
  # The number of rows at once changes no result.
  size = config.decoding.batch_size
  return dataclasses.replace(decoding, batch_size=size) == config.decoding


def _write(
  draft: pathlib.Path, run_dir: RunDir, pipeline: Pipeline, params: Any
) -> None:
  (draft / OWN).mkdir()
  for file in (run_dir.config_file, run_dir.features_file, run_dir.model_file):
    (draft / OWN / file.name).write_bytes(file.read_bytes())
  vocabulary = run_dir.tokenizer_file.read_bytes()
  rest = {name: tree for name, tree in params.items() if name != "t5"}
  pretrained.save(draft, pipeline.model.config.t5, params["t5"], vocabulary)
  flat = traverse_util.flatten_dict(rest, sep="/")
  pretrained.save_tensors(draft / FUSION_FILE, flat)


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
