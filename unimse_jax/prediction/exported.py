"""A trained model as one directory to give away, and back (docs/prediction.md).

The directory is the T5 in the Hugging Face form, with all that is UniMSE's in
its folder `unimse`. `unimse/export.json` is written last and has the sha256 of
every other file.
"""

import json
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from unimse_jax import config as config_lib
from unimse_jax import pipeline as pipeline_lib
from unimse_jax import pretrained
from unimse_jax.config import Config
from unimse_jax.errors import InputError
from unimse_jax.files import hash_file
from unimse_jax.parallel import mesh as mesh_lib
from unimse_jax.pipeline import (
  FEATURES_FILE,
  MODEL_FILE,
  TOKENIZER_FILE,
  Pipeline,
)
from unimse_jax.prediction import model_card

OWN = "unimse"
FUSION_FILE = f"{OWN}/fusion.safetensors"
MANIFEST = f"{OWN}/export.json"
_CONFIG_FILE = "config.json"
_VERSION = 1


def read_config(directory: pathlib.Path) -> Config:
  """The config that a workdir, or the `unimse` folder of an export, keeps.

  Raises:
    InputError: there is none, or it is damaged.
  """
  stored = directory / _CONFIG_FILE
  if not stored.is_file():
    raise InputError(
      f"Expected the workdir of a training run, found no {stored}."
    )
  try:
    values = json.loads(stored.read_text(encoding="utf-8"))
  except ValueError as error:
    raise InputError(f"Expected JSON in {stored}, found {error}.") from error
  return config_lib.validate(values)


def export(workdir: pathlib.Path, out: pathlib.Path, overwrite: bool) -> dict:
  """Writes the best checkpoint of a run as a directory to give away.

  Args:
    workdir: of the run.
    out: appears whole or not at all.
    overwrite: replace an earlier export there.

  Returns:
    What export.json holds.

  Raises:
    InputError: no run, or something stands at `out`.
  """
  config = read_config(workdir)
  _check_target(out, overwrite)
  pipeline = pipeline_lib.open_pipeline(config, workdir)
  mesh = mesh_lib.make_mesh(devices=1)
  params, source = pipeline_lib.restore_params(pipeline, mesh, workdir)
  params = jax.tree.map(np.asarray, params)
  found: dict = {}

  def fill(draft: pathlib.Path) -> None:
    _write(draft, workdir, pipeline, params)
    card = model_card.write(pipeline, model_card.read_results(workdir), source)
    (draft / "README.md").write_text(card, encoding="utf-8")
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    found.update(
      version=_VERSION,
      source=source,
      files={
        path.relative_to(draft).as_posix(): hash_file(path) for path in files
      },
    )
    (draft / MANIFEST).write_text(json.dumps(found, indent=2) + "\n")

  _make_directory(out, fill)
  return found


def _write(
  draft: pathlib.Path, workdir: pathlib.Path, pipeline: Pipeline, params: Any
) -> None:
  from safetensors.numpy import save_file

  (draft / OWN).mkdir()
  for name in (_CONFIG_FILE, FEATURES_FILE, MODEL_FILE):
    shutil.copyfile(workdir / name, draft / OWN / name)
  vocabulary = (workdir / TOKENIZER_FILE).read_bytes()
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
      f"--out: expected a new directory or an earlier export, found {out} with "
      "other content, which is never replaced. Choose another --out."
    )
  if not overwrite:
    raise InputError(
      f"--out: an export is at {out} already. Give --overwrite to replace it."
    )


def _make_directory(
  out: pathlib.Path, fill: Callable[[pathlib.Path], None]
) -> None:
  """Fills a hidden draft beside `out` and renames it at the very end."""
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


def load(directory: pathlib.Path) -> tuple[Pipeline, Any]:
  """The pipeline and the parameters (numpy, float32) of an export.

  Raises:
    InputError: no export there, or a file was lost, changed or cut.
  """
  manifest = directory / MANIFEST
  if not manifest.is_file():
    raise InputError(
      f"Expected a directory of unimse_jax.export, found no {manifest}."
    )
  files = json.loads(manifest.read_text())["files"]
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
      f"Export {directory}: expected the sha256 of export.json, found other "
      f"or no content in {', '.join(damaged)}. Export or copy it again."
    )
  own = directory / OWN
  pipeline = pipeline_lib.open_pipeline(
    read_config(own), own, directory / pathlib.Path(TOKENIZER_FILE).name
  )
  return pipeline, _load_params(directory)


def _load_params(directory: pathlib.Path) -> Any:
  from safetensors.numpy import load_file

  rest = load_file(directory / FUSION_FILE)
  _, t5 = pretrained.load(str(directory))
  return {"t5": t5, **traverse_util.unflatten_dict(rest, sep="/")}
