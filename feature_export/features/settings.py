"""Every setting that changes the values of the features, in one place.

The dataset's metadata keep these settings and their hash, so a model is never
fed with features that were made in another way than those it learned from.
"""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from feature_export.features.findings import default_policies

DIMENSION = 1280  # pooled features of every EfficientNet-B0 and Lite0
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class AudioSettings:
  """Everything that changes the values of the audio features.

  Attributes:
    sample_rate: Hz, mono.
    window: samples of a Hann window, also the FFT length.
    hop: samples between frames; 16000 / 512 = 31.25 frames/s.
    mels: number of Mel bins.
    floor: smallest power, so the lowest value is -100 dB.
    max_seconds: longer clips are cut here.
    far_seconds: files without an interval that are longer are no utterance.
      MELD holds some of five minutes by mistake.
    downmix: how channels become one.
    policies: kind of finding -> action.
  """

  sample_rate: int = 16000
  window: int = 1024
  hop: int = 512
  mels: int = 64
  floor: float = 1e-10
  max_seconds: float = 20.0
  far_seconds: float = 120.0
  downmix: str = "mean; above two channels ITU-R BS.775 without LFE"
  policies: dict[str, str] = field(
    default_factory=partial(default_policies, "audio")
  )


@dataclass(frozen=True)
class FaceSettings:
  """Everything that changes which part of a frame is used.

  Attributes:
    detector: "haar", "yunet" or "none" (the whole frame).
    version: of OpenCV.
    files: name -> sha256 of the detector's files.
    parameters: of the search.
    crop: how a box becomes a picture.
  """

  detector: str = "none"
  version: str = ""
  files: dict[str, str] = field(default_factory=dict)
  parameters: dict[str, float] = field(default_factory=dict)
  crop: str = "whole frame"


@dataclass(frozen=True)
class VideoSettings:
  """Everything that changes the values of the video features.

  Attributes:
    backbone: "efficientnet_lite0", "hsemotion" or "timm:NAME".
    weights_sha256: of the weights file, in hexadecimal.
    image_size: side of the square pictures, pixels.
    frames: most frames per clip.
    dimension: of one embedding.
    mean: of each RGB channel in [0, 1], subtracted.
    std: of each RGB channel, divided by.
    resize: how a picture becomes square.
    max_seconds: longer clips are cut here, as the sound is.
    far_seconds: files without an interval that are longer are no utterance.
    faces: which part of a frame is used.
    policies: kind of finding -> action.
  """

  backbone: str
  weights_sha256: str
  image_size: int = 224
  frames: int = 32
  dimension: int = DIMENSION
  mean: tuple[float, ...] = IMAGENET_MEAN
  std: tuple[float, ...] = IMAGENET_STD
  resize: str = "bilinear with antialias, aspect not kept"
  max_seconds: float = 20.0
  far_seconds: float = 120.0
  faces: FaceSettings = field(default_factory=FaceSettings)
  policies: dict[str, str] = field(
    default_factory=partial(default_policies, "video")
  )


@dataclass(frozen=True)
class ExtractionSettings:
  """How features are made, and where this machine has what that needs.

  Attributes:
    audio: what changes the audio features.
    video: what changes the video features.
    weights: the network's file.
    face_model: the detector's file, where it is the user's own.
    device: "auto", "cpu" or "cuda".
  """

  audio: AudioSettings
  video: VideoSettings
  weights: Path
  face_model: Path | None = None
  device: str = "auto"

  def describe(self) -> dict[str, dict]:
    """The settings that the dataset's metadata keeps: no paths."""
    return {"audio": asdict(self.audio), "video": asdict(self.video)}

  def width(self, modality: str) -> int:
    """D of a modality's features."""
    return self.audio.mels if modality == "audio" else self.video.dimension
