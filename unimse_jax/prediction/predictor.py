"""Predicts from features, with the files of a workdir alone (design 4.4)."""

import dataclasses
import json
import pathlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from jax.sharding import Mesh

from unimse_jax import config as config_lib
from unimse_jax import pipeline as pipeline_lib
from unimse_jax.data.batching import plan_in_order
from unimse_jax.data.mixture import Example
from unimse_jax.data.records import RecordText
from unimse_jax.errors import InputError
from unimse_jax.labels import UniversalLabel
from unimse_jax.parallel import mesh as mesh_lib
from unimse_jax.pipeline import Pipeline
from unimse_jax.prediction.labeller import Labelled, Labeller, Probabilities

_NO_LABEL = UniversalLabel("", None, {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
  """One utterance.

  Attributes:
    text: what is said.
    audio: float[A, 64] log-Mel as the exporter makes it, or None.
    video: float[V, D] frame embeddings of the same backbone, or None.
    before: turns before it, nearest first.
    after: turns after it, nearest first.
    speaker, before_speakers, after_speakers: names, where the corpus that it
      was trained as has them.
    corpus: treat it like this corpus (case, speaker names); "" for neither.
  """

  text: str
  audio: np.ndarray | None = None
  video: np.ndarray | None = None
  before: tuple[str, ...] = ()
  after: tuple[str, ...] = ()
  speaker: str = ""
  before_speakers: tuple[str, ...] = ()
  after_speakers: tuple[str, ...] = ()
  corpus: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
  """What the model says about a clip; None where its text was malformed.

  Attributes:
    output: the text that it wrote.
    polarity: negative, neutral or positive.
    intensity: in [-3, 3]; None too where no corpus of the mixture has it.
    emotions: scheme -> class.
    probabilities: closed slot -> class -> probability.
    missing: modalities that the model reads and the clip lacks.
  """

  output: str
  polarity: str | None
  intensity: float | None
  emotions: Mapping[str, str | None]
  probabilities: Probabilities
  missing: tuple[str, ...]


class Predictor:
  """A trained model, ready to use. Calls from several threads take turns."""

  def __init__(self, pipeline: Pipeline, params: Any, mesh: Mesh):
    self._pipeline, self._params = pipeline, params
    self._labeller = Labeller(pipeline, mesh)
    self._lock = threading.Lock()

  @classmethod
  def from_workdir(cls, workdir: str | pathlib.Path) -> Self:
    """Opens the best checkpoint of a training run on the local devices.

    Raises:
      InputError: no training run there, or none with a whole checkpoint.
    """
    path = pathlib.Path(workdir)
    stored = path / "config.json"
    if not stored.is_file():
      raise InputError(
        f"Expected the workdir of a training run, found no {stored}."
      )
    config = config_lib.validate(json.loads(stored.read_text()))
    pipeline = pipeline_lib.open_pipeline(config, path)
    mesh = mesh_lib.make_mesh()
    params, _ = pipeline_lib.restore_params(pipeline, mesh, path)
    return cls(pipeline, params, mesh)

  def predict(self, clips: Sequence[Clip]) -> list[Prediction]:
    """Predictions in the order of the clips.

    Raises:
      InputError: frames of another width than those trained on; all named.
    """
    self._check(clips)
    modalities = self._pipeline.config.data.modalities
    encoded = [self._pipeline.encode(_example(clip)) for clip in clips]
    frames = [self._frames(clip) for clip in clips]
    lengths = [len(row.tokens) for row in encoded]
    size = self._labeller.batch_size
    found: dict[int, Labelled] = {}
    buckets = self._pipeline.config.data.buckets
    for plan in plan_in_order(lengths, buckets, size):
      batch = self._pipeline.collator.collate(
        [encoded[row] for row in plan.rows],
        [frames[row] for row in plan.rows],
        size,
        plan.length,
      )
      with self._lock:
        labelled = self._labeller.label(
          self._params, batch, len(plan.rows), with_probabilities=True
        )
      found |= dict(zip(plan.rows, labelled, strict=True))
    return [
      self._prediction(found[row], _missing(clip, modalities))
      for row, clip in enumerate(clips)
    ]

  def _check(self, clips: Sequence[Clip]) -> None:
    faults = []
    for number, clip in enumerate(clips):
      for name, width in self._widths().items():
        given = getattr(clip, name)
        if given is not None and (given.ndim != 2 or given.shape[1] != width):
          faults.append(
            f"clip {number}: expected {name} frames of width {width}, found "
            f"shape {given.shape}"
          )
    if faults:
      raise InputError("\n".join(faults))

  def _widths(self) -> dict[str, int]:
    return {
      name: len(mean)
      for name, mean in self._pipeline.collator.transform.mean.items()
    }

  def _frames(self, clip: Clip) -> dict[str, np.ndarray]:
    return {
      name: np.zeros((0, width), np.float16)
      if getattr(clip, name) is None
      else getattr(clip, name)
      for name, width in self._widths().items()
    }

  def _prediction(
    self, labelled: Labelled, missing: tuple[str, ...]
  ) -> Prediction:
    fields = dict(labelled.parsed.fields)
    return Prediction(
      output=labelled.output,
      polarity=fields.pop("polarity"),
      intensity=fields.pop("intensity", None),
      emotions=fields,
      probabilities=labelled.probabilities,
      missing=missing,
    )


def _missing(clip: Clip, modalities: Sequence[str]) -> tuple[str, ...]:
  return tuple(
    name
    for name in modalities
    if getattr(clip, name) is None or not len(getattr(clip, name))
  )


def _example(clip: Clip) -> Example:
  def names(given: tuple[str, ...], turns: tuple[str, ...]) -> tuple[str, ...]:
    return given or ("",) * len(turns)

  record = RecordText(
    id="",
    dialogue="",
    turn=0,
    speaker=clip.speaker,
    text=clip.text,
    before=clip.before,
    after=clip.after,
    before_speakers=names(clip.before_speakers, clip.before),
    after_speakers=names(clip.after_speakers, clip.after),
    polarity="",
    intensity=None,
    emotion="",
    audio_frames=0,
    video_frames=0,
  )
  return Example(clip.corpus, 0, record, _NO_LABEL)
