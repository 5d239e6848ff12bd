"""Predicts labels for clips, with the files of a workdir alone.

A clip that cannot be answered gets a `Prediction` with an error; the others
of its list are answered all the same.
"""

import contextlib
import dataclasses
import itertools
import pathlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import jax
from jax.sharding import Mesh

from unimse_cli import storage
from unimse_jax import pipeline as pipeline_lib
from unimse_jax.config import Config
from unimse_jax.data.batching import plan_in_order
from unimse_jax.errors import InputError
from unimse_jax.parallel import mesh as mesh_lib
from unimse_jax.pipeline import Pipeline, packaged
from unimse_jax.prediction import adjustment, recordings
from unimse_jax.prediction import clips as clips_lib
from unimse_jax.prediction.clips import Clip
from unimse_jax.prediction.labeller import Labeller
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.prediction.raw_media import Exporter
from unimse_jax.prediction.recordings import Cut, Recording, TimedPrediction
from unimse_jax.rundir import RunDir

# Batches read before any is decoded: enough to sort clips by their length.
_BATCHES_AHEAD = 8


class Predictor:
  """A trained model, ready to use. Calls from several threads take turns."""

  def __init__(
    self,
    pipeline: Pipeline,
    params: Any,
    mesh: Mesh,
    backbone_weights: str | None = None,
    jobs: int = 1,
    audio_model: str | None = None,
  ):
    """Compiles nothing yet.

    Args:
      pipeline: model with its vocabulary, labels and scale of the frames.
      params: the model's parameters.
      mesh: devices to run on.
      backbone_weights: weights file of the face network, if not the default;
        for clips that name media files.
      jobs: number of processes that extract those.
      audio_model: folder or hub name of the speech model that the run's voices
        were read by, if one was.
    """
    self._pipeline, self._params = pipeline, params
    self.exporter = Exporter(
      pipeline.extraction, backbone_weights, jobs, audio_model
    )
    self._labeller = Labeller(
      pipeline.model,
      pipeline.tokenizer,
      pipeline.label_text,
      pipeline.config.decoding,
      mesh,
      also_free=False,
    )
    self._lock = threading.Lock()

  @classmethod
  def from_workdir(
    cls,
    workdir: str | pathlib.Path,
    batch_size: int | None = None,
    devices: int = 0,
    backbone_weights: str | None = None,
    jobs: int = 1,
    audio_model: str | None = None,
  ) -> Self:
    """Opens the best checkpoint of a training run on the local devices.

    Args:
      workdir: directory of the run.
      batch_size: number of clips decoded at once; None for the run's own.
      devices: number of devices to use; 0 for all.
      backbone_weights: weights file of the face network, if not the default;
        for clips that name media files.
      jobs: number of processes that extract those.
      audio_model: folder or hub name of the speech model that the run's voices
        were read by, if one was.

    Raises:
      InputError: no training run there, or none with a whole checkpoint; or
        no such batch size or number of devices.
    """
    run_dir = RunDir(storage.absolute(storage.user_path(workdir)))
    if packaged.is_package(run_dir.path):
      raise InputError(
        f"expected the workdir of a training run, found a package in "
        f"{run_dir.path}: open it with --model, or Predictor.from_pretrained"
      )
    mesh = _make_mesh(devices)
    config = _with_batch_size(run_dir.read_config(), batch_size)
    pipeline = pipeline_lib.open_pipeline(config, run_dir)
    pipeline.require_unimse("--workdir")
    params, _ = pipeline_lib.restore_params(pipeline, mesh, run_dir)
    return cls(pipeline, params, mesh, backbone_weights, jobs, audio_model)

  @classmethod
  def from_pretrained(
    cls,
    path_or_hub_name: str | pathlib.Path,
    batch_size: int | None = None,
    devices: int = 0,
    backbone_weights: str | None = None,
    jobs: int = 1,
    audio_model: str | None = None,
  ) -> Self:
    """Opens what `unimse_jax.package` wrote; arguments as above, but for:

    Args:
      path_or_hub_name: directory of the package, local or in a bucket, or
        "owner/name" of the Hugging Face hub, with "@revision" for a branch, tag
        or commit of it.

    Raises:
      InputError: no package is there, or one with a file that was lost or
        changed since it was made.
    """
    mesh = _make_mesh(devices)
    directory = packaged.locate(str(path_or_hub_name))
    pipeline = packaged.load(directory)
    config = _with_batch_size(pipeline.config, batch_size)
    pipeline = dataclasses.replace(pipeline, config=config)
    params = packaged.load_params(directory, mesh)
    return cls(pipeline, params, mesh, backbone_weights, jobs, audio_model)

  @property
  def pipeline(self) -> Pipeline:
    """What surrounds the model: vocabulary, labels, extraction settings."""
    return self._pipeline

  def predict(self, clips: Iterable[Clip]) -> list[Prediction]:
    """Predictions in the order of the clips.

    Media files are extracted by one process of the exporter.

    Raises:
      InputError: clips name media files, and the exporter is not installed or
        cannot make features like those of the run.
    """
    return list(self.predict_iter(self._extract([*clips])))

  def predict_iter(
    self, clips: Iterable[Clip | InputError]
  ) -> Iterator[Prediction]:
    """The same, reading a few batches of clips at a time.

    Memory does not grow with their number. The exporter is started once, if one
    of them has media files, and stays until the last is answered.

    Args:
      clips: clips; in place of one an InputError, which is its answer.
    """
    size = _BATCHES_AHEAD * self._labeller.batch_size
    waiting = iter(clips)
    with self.exporter.process:
      while chunk := list(itertools.islice(waiting, size)):
        yield from self._answer(self._extract(chunk))

  def predict_files(
    self, files: Iterable[recordings.Path | Recording]
  ) -> list[list[TimedPrediction]]:
    """Predictions for the utterances of recordings, each in order of time.

    Args:
      files: media files, cut by voice activity and without words; or
        recordings, which say more.

    Raises:
      InputError: a recording that cannot be cut, or as for `predict`.
    """
    answers = []
    with self.exporter.process:
      for each in files:
        if not isinstance(each, Recording):
          each = Recording(media=each)
        with self.cut(each) as cut:
          predicted = self.predict_iter(cut.extraction.clips())
          answers.append([*cut.with_times(predicted)])
    return answers

  def cut(self, recording: Recording) -> contextlib.AbstractContextManager[Cut]:
    """The utterances of a recording as clips, while the block lasts.

    Raises:
      InputError: as for `predict_files`, or a corpus that is none of the run's.
    """
    known = self._pipeline.config.data.corpora
    if recording.corpus not in ("", *known):
      raise InputError(
        f"corpus: expected one that the run was trained on "
        f"({', '.join(known)}) or none, found {recording.corpus!r}."
      )
    return recordings.extract(self.exporter, recording)

  def _extract(
    self, clips: Sequence[Clip | InputError]
  ) -> list[Clip | InputError]:
    """The clips with frames in place of media files."""
    named = {
      row: clip
      for row, clip in enumerate(clips)
      if isinstance(clip, Clip) and clip.files
    }
    extracted = dict(enumerate(clips))
    if named:
      answers = self.exporter.extract_files([*named.values()])
      extracted |= dict(zip(named, answers, strict=True))
    return [*extracted.values()]

  def _answer(self, clips: Sequence[Clip | InputError]) -> list[Prediction]:
    answers: dict[int, Prediction] = {}
    readable: dict[int, Clip] = {}
    for row, clip in enumerate(clips):
      try:
        if isinstance(clip, InputError):
          raise clip
        readable[row] = clips_lib.read(clip, self._pipeline)
      except InputError as error:
        answers[row] = Prediction.failed(str(error))
    labelled = self._label([*readable.values()])
    answers |= dict(zip(readable, labelled, strict=True))
    return [answers[row] for row in range(len(clips))]

  def _label(self, clips: Sequence[Clip]) -> list[Prediction]:
    """Predictions for clips that can be read, in their order."""
    encoded = [self._pipeline.encode(clip) for clip in clips]
    lengths = [len(each.tokens) for each in encoded]
    size = self._labeller.batch_size
    predictions: dict[int, Prediction] = {}
    buckets = self._pipeline.config.data.buckets
    plans = plan_in_order(lengths, buckets, size)
    batches = (
      (
        self._pipeline.collator.collate(
          [encoded[row] for row in plan.rows],
          [clips[row].frames for row in plan.rows],
          size,
          plan.length,
        ),
        len(plan.rows),
      )
      for plan in plans
    )
    with self._lock:
      labelled = self._labeller.label(
        self._params, batches, with_probabilities=True
      )
      for plan, labels in zip(plans, labelled, strict=True):
        predictions |= dict(zip(plan.rows, self._adjust(labels), strict=True))
    modalities = self._pipeline.config.data.modalities
    return [
      dataclasses.replace(
        predictions[row],
        missing=tuple(n for n in modalities if not len(clip.frames[n])),
        notes=clips_lib.notes(clip, encoded[row], self._pipeline),
      )
      for row, clip in enumerate(clips)
    ]

  def _adjust(self, predictions: list[Prediction]) -> list[Prediction]:
    """As the run's evaluations do (decoding.logit_adjustment)."""
    power = self._pipeline.config.decoding.logit_adjustment
    if not power:
      return predictions
    return adjustment.adjust(predictions, self._pipeline.class_counts, power)


def _make_mesh(devices: int) -> Mesh:
  try:
    return mesh_lib.make_mesh(devices=devices)
  except InputError as error:
    raise InputError(
      f"devices: expected 0 (all) to {jax.device_count()}, found {devices}."
    ) from error


def _with_batch_size(config: Config, batch_size: int | None) -> Config:
  if batch_size is None:
    return config
  if batch_size < 1:
    raise InputError(f"batch_size: expected at least 1, found {batch_size}.")
  decoding = dataclasses.replace(config.decoding, batch_size=batch_size)
  return dataclasses.replace(config, decoding=decoding)
