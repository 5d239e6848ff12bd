"""Every setting that changes the values of the features, in one place.

The dataset's metadata keep these settings and their hash, so a model is never
fed with features that were made in another way than those it learned from.
"""

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from feature_export.features.findings import default_policies
from feature_export.features.speech import SpeechSettings

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
    mels: number of Mel bins; with `speech`, D of a state.
    floor: smallest power, so the lowest value is -100 dB.
    max_seconds: length that longer clips are cut to.
    far_seconds: length from which on a file without an interval is no single
      utterance; MELD holds some of five minutes by mistake.
    downmix: rule by which several channels become one.
    policies: kind of finding -> action.
    speech: settings of the speech model that takes the spectrogram's place;
      None: the spectrogram.
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
  speech: SpeechSettings | None = None


@dataclass(frozen=True)
class SpeakerSettings:
  """How the speaking face is told from others, see `speaking_face`.

  Attributes:
    rate: frames/s that are looked at; more than are kept.
    search_every: frames from one search of the whole picture to the next;
      between them boxes are interpolated.
    overlap: least intersection over union of a face's neighbouring boxes.
    smoothing: frames over which movement and voice are averaged.
    seconds: least time for which a face is in sight, to be judged.
    least: least correlation of mouth and voice of a speaking face.
    lead: by how much more its mouth must follow the voice than any other's.
  """

  rate: float = 12.5
  search_every: int = 6
  overlap: float = 0.3
  smoothing: int = 3
  seconds: float = 1.0
  least: float = 0.3
  lead: float = 0.1


@dataclass(frozen=True)
class FaceSettings:
  """Everything that changes which part of a frame is used.

  Attributes:
    detector: "haar", "yunet" or "none" (the whole frame).
    version: version of OpenCV.
    files: name -> sha256 of the detector's files.
    parameters: parameters of the search.
    crop: rule by which a box becomes a picture.
    speaker: how the speaking face is found; None: the largest face is taken.
  """

  detector: str = "none"
  version: str = ""
  files: dict[str, str] = field(default_factory=dict)
  parameters: dict[str, float] = field(default_factory=dict)
  crop: str = "whole frame"
  speaker: SpeakerSettings | None = None


@dataclass(frozen=True)
class VideoSettings:
  """Everything that changes the values of the video features.

  Attributes:
    backbone: "efficientnet_lite0", "hsemotion" or "timm:NAME".
    weights_sha256: hash of the weights file, in hexadecimal.
    image_size: side of the square pictures, pixels.
    frames: largest number of frames per clip.
    dimension: D of one embedding.
    mean: value subtracted from each RGB channel, which is in [0, 1].
    std: value that each RGB channel is divided by.
    resize: rule by which a picture becomes square.
    max_seconds: length that longer clips are cut to, as their sound is.
    far_seconds: length from which on a file without an interval is no single
      utterance.
    faces: settings of the part of a frame that is used.
    engine: what computes the network, "torch" or "onnxruntime".
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
  engine: str = "torch"
  policies: dict[str, str] = field(
    default_factory=partial(default_policies, "video")
  )


@dataclass(frozen=True)
class ExtractionSettings:
  """How features are made, and the files and the device for it.

  Attributes:
    audio: settings of the audio features.
    video: settings of the video features.
    weights: weights file of the face network; None: the one that a package
      brings, wherever it is installed on the machine that does the work.
    face_model: file of the face detector; None: the one that OpenCV brings.
    device: "auto", "cpu" or "cuda".
    speech_model: folder of the speech model; None where there is none.
  """

  audio: AudioSettings
  video: VideoSettings
  weights: Path | None = None
  face_model: Path | None = None
  device: str = "auto"
  speech_model: Path | None = None

  def describe(self) -> dict[str, dict]:
    """The settings that the dataset's metadata keep: no paths, no device."""
    audio, video = asdict(self.audio), asdict(self.video)
    # What is not used is left out, so that older features keep their hash.
    if audio["speech"] is None:
      del audio["speech"]
    if video["engine"] == "torch":
      del video["engine"]
    if video["faces"]["speaker"] is None:
      del video["faces"]["speaker"]
    return {"audio": audio, "video": video}

  def width(self, modality: str) -> int:
    """D of a modality's features."""
    return self.audio.mels if modality == "audio" else self.video.dimension
