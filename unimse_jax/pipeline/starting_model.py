"""The trained model that another training starts from (train.init_from).

Its vocabulary and the shape of its T5 are the new run's. So is its scale of the
frames of a modality whose features were made and are read in the same way; the
LSTM of another modality starts afresh. Of the parameters all are taken that the
new model has by the same path in the same shape; adapters and segment rows only
where the fields of `_DEPENDS_ON` agree, so that their numbers mean the same.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from absl import logging
from flax import traverse_util
from jax.sharding import Mesh

from unimse_cli import storage
from unimse_jax.config import Config, flat
from unimse_jax.data.features import FeatureTransform
from unimse_jax.errors import InputError
from unimse_jax.parallel import multihost
from unimse_jax.pipeline import packaged
from unimse_jax.pipeline.pipeline import (
  Pipeline,
  open_pipeline,
  restore_params,
)
from unimse_jax.rundir import RunDir

# What of config.data decides in what form frames come to the LSTM.
_READ_BY = {
  "audio": ("audio_level", "audio_stride"),
  "video": ("video_components",),
}
# Parameters -> fields that decide what their numbers mean, or the shape of some
# of them: half an adapter is none.
_DEPENDS_ON = {
  "fusion_": (
    # The columns are the modalities', one after the other: of others an adapter
    # would read one in another's place.
    "data.modalities",
    "model.modality_width",
    "model.pmf_units",
    "model.pmf_place",
    "model.adapter_width",
    "model.adapter_heads",
    "model.adapter_activation",
    "model.adapter_residual",
    "model.adapter_norm",
  ),
  "segment_embedding/": ("model.segment_units",),
}
_FIELD = "config.train.init_from"
_SHOWN = 6  # names in a line of the log

# Path of a parameter, as "t5/shared/embedding", -> array, or its shape.
Flat = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class StartingModel:
  """Attributes:
  source: what train.init_from says.
  pipeline: its vocabulary, scale of the frames and shape of the T5.
  vocabulary: its SentencePiece file.
  read: mesh -> its parameters on it, and which checkpoint they are.
  """

  source: str
  pipeline: Pipeline
  vocabulary: pathlib.Path
  read: Callable[[Mesh], tuple[Any, Mapping[str, Any]]]


# Once a process: a package is read whole to compare its hashes.
@functools.cache
def open_model(source: str) -> StartingModel:
  """Opens a run, a package, or a package on the hub; reads no parameters yet.

  Args:
    source: directory, local or in a bucket, or "owner/name[@revision]".

  Raises:
    InputError: nothing is there, or something damaged.
  """
  run_dir = RunDir(storage.absolute(storage.user_path(source)))
  if run_dir.exists() and not packaged.is_package(run_dir.path):
    pipeline = open_pipeline(run_dir.read_config(), run_dir)
    pipeline.require_unimse(_FIELD)
    return StartingModel(
      *(source, pipeline, run_dir.tokenizer_file),
      lambda mesh: restore_params(pipeline, mesh, run_dir),
    )
  expected = "a trained run, a directory of unimse_jax.package"
  directory = packaged.locate(source, _FIELD, expected)
  if not packaged.is_package(directory):
    raise InputError(
      f"{_FIELD}: expected {expected}, found none in {directory}"
    )
  return StartingModel(
    *(source, packaged.load(directory), packaged.vocabulary(directory)),
    lambda mesh: (
      packaged.load_params(directory, mesh),
      packaged.checkpoint(directory),
    ),
  )


def shared_modalities(
  theirs: Pipeline, config: Config, extraction: Mapping[str, Any]
) -> frozenset[str]:
  """The modalities whose frames come to both models in the same form.

  Args:
    theirs: pipeline of the model to start from.
    config: the new run's.
    extraction: settings of the new run's features.
  """
  both = {*config.data.modalities} & {*theirs.config.data.modalities}
  return frozenset(
    name
    for name in both
    if theirs.extraction.get(name) == extraction[name]
    and all(
      getattr(config.data, field) == getattr(theirs.config.data, field)
      for field in _READ_BY[name]
    )
  )


def merge_transforms(
  own: FeatureTransform, theirs: FeatureTransform, taken: Collection[str]
) -> FeatureTransform:
  """`own`, with `theirs` for the modalities that are taken."""

  def part(name: str) -> dict[str, np.ndarray | None]:
    mine, others = getattr(own, name), getattr(theirs, name)
    return {key: (others if key in taken else mine)[key] for key in mine}

  return FeatureTransform(part("mean"), part("components"), part("scale"))


def take_params(
  model: StartingModel, pipeline: Pipeline, wanted: Flat, mesh: Mesh
) -> Flat:
  """What of the model the new one starts with; says it in the log.

  Args:
    model: model to start from.
    pipeline: the new run's.
    wanted: path -> shape of every parameter of the new model.
    mesh: devices to place them on.
  """
  params, checkpoint = model.read(mesh)
  found = traverse_util.flatten_dict(dict(params), sep="/")
  shared = shared_modalities(
    model.pipeline, pipeline.config, pipeline.extraction
  )
  others = (
    *_other_meanings(model.pipeline.config, pipeline.config),
    *(f"modality_encoder_{name}/" for name in {*_READ_BY} - shared),
    *(f"heads/{slot}/" for slot in _other_slots(model.pipeline, pipeline)),
  )
  taken = {
    path: array
    for path, array in found.items()
    if path in wanted
    and wanted[path].shape == array.shape
    and not path.startswith(others)
  }
  if multihost.is_first():
    _tell(model.source, checkpoint, taken, found, wanted)
  return taken


def _other_meanings(theirs: Config, own: Config) -> list[str]:
  """Parameters whose numbers mean something else in the new model."""
  before, now = flat(theirs), flat(own)
  return [
    start
    for start, fields in _DEPENDS_ON.items()
    if any(before[field] != now[field] for field in fields)
  ]


def _other_slots(theirs: Pipeline, own: Pipeline) -> list[str]:
  """Emotion slots of the same name whose classes are others."""
  known = {
    scheme.name: scheme.classes for scheme in theirs.label_text.schema.schemes
  }
  return [
    scheme.name
    for scheme in own.label_text.schema.schemes
    if known.get(scheme.name, scheme.classes) != scheme.classes
  ]


def _tell(
  source: str,
  checkpoint: Mapping[str, Any],
  taken: Flat,
  found: Flat,
  wanted: Flat,
) -> None:
  def numbers(arrays: Flat) -> int:
    return sum(int(np.prod(each.shape)) for each in arrays.values())

  logging.info(
    "Starting from %s (%s checkpoint, step %d): %d of %d arrays are taken, "
    "%s of %s numbers.",
    *(source, checkpoint["checkpoint"], checkpoint["step"]),
    *(len(taken), len(wanted)),
    *(f"{numbers(taken):,}", f"{numbers(wanted):,}"),
  )
  for what, names in (
    ("New, from random values", wanted.keys() - taken.keys()),
    ("Not taken from there", found.keys() - taken.keys()),
  ):
    if names:
      logging.info("%s: %s", what, _listed(names))


def _listed(names: Collection[str]) -> str:
  shown = sorted(names)[:_SHOWN]
  more = len(names) - len(shown)
  return ", ".join(shown) + (f" and {more} more" if more else "")
