"""One clip: media in, features out. The same function for every runner."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from feature_export.corpora.utterance import Stored, Utterance
from feature_export.errors import MediaError
from feature_export.features.audio import AudioSettings, extract_audio
from feature_export.features.efficientnet import (
  Backbone,
  VideoSettings,
  embed_frames,
)
from feature_export.features.video import extract_frames


@dataclass(frozen=True)
class ExtractionSettings:
  """How features are made; `weights` is where this machine has the network."""

  audio: AudioSettings
  video: VideoSettings
  weights: Path

  def describe(self) -> dict[str, dict]:
    """The settings that the dataset's metadata keeps: no paths."""
    return {"audio": asdict(self.audio), "video": asdict(self.video)}


@dataclass(frozen=True)
class Extraction:
  """The features of one clip.

  Attributes:
    audio: float16[A, 64]; A = 0: absent.
    video: float16[V, 1280]; V = 0: absent.
    absent: "audio" or "video" -> the reason why media that the corpus names
      cannot be used.
    cut: whether the audio was longer than the limit.
  """

  audio: np.ndarray
  video: np.ndarray
  absent: dict[str, str] = field(default_factory=dict)
  cut: bool = False


def extract(
  utterance: Utterance,
  settings: ExtractionSettings,
  backbone: Callable[[], Backbone],
) -> Extraction:
  """Extracts one clip; media that cannot be used become length 0.

  Args:
    utterance: names the media.
    settings: how to extract.
    backbone: gives the network; called only when there are frames, because
      loading it takes seconds.
  """
  if isinstance(utterance.audio, Stored):
    # Records keep float16; the importer has checked the range.
    return Extraction(
      utterance.audio.values.astype(np.float16),
      utterance.video.values.astype(np.float16),
    )
  audio = np.zeros((0, settings.audio.mels), np.float16)
  video = np.zeros((0, settings.video.dimension), np.float16)
  absent, cut = {}, False
  if utterance.audio is not None:
    try:
      audio, cut = extract_audio(utterance.audio, settings.audio)
    except MediaError as error:
      absent["audio"] = str(error)
  if utterance.video is not None:
    try:
      frames = extract_frames(utterance.video, settings.video.frames)
      video = embed_frames(frames, backbone())
    except MediaError as error:
      absent["video"] = str(error)
  return Extraction(audio, video, absent, cut)
