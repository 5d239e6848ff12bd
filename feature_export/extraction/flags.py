"""The flags of an export: how features are made, and how the work is done."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from feature_export.features import speech, vision
from feature_export.features.efficientnet import (
  DEFAULT_BACKBONE,
  DEVICES,
  describe_network,
  find_weights,
)
from feature_export.features.faces import DETECTORS, describe_faces
from feature_export.features.findings import (
  KINDS,
  default_policies,
  parse_policies,
)
from feature_export.features.onnx_engine import ENGINES, check_engine
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  SpeakerSettings,
  VideoSettings,
)
from feature_export.features.video import MAX_FRAMES
from feature_export.features.weights import hash_weights
from feature_export.options import option, outside_limits
from unimse_cli.storage import is_remote

_SMALLEST_IMAGE = 32  # the network halves it five times, to one pixel


def _count_cores() -> int:
  """The number of cores that this process may use."""
  if hasattr(os, "sched_getaffinity"):  # not on macOS
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


@dataclass(frozen=True)
class FeatureOptions:
  """How features are made; another value makes other features."""

  max_seconds: float = option("Longer clips are cut.", 20.0, limits=(1, 3600))
  far_seconds: float = option(
    "A file that is longer, and has no interval, is not one utterance.",
    120.0,
    limits=(1, 86400),
  )
  policy: Sequence[str] = option(
    "KIND=ACTION, what to do about a kind of fault (docs/features.md): "
    + ", ".join(
      f"{name}={'|'.join(kind.actions)}"
      for name, kind in KINDS.items()
      if len(kind.actions) > 1
    ),
    (),
  )
  audio_backbone: str = option(
    "What the voice becomes: a Mel-spectrogram, or states of a speech model.",
    speech.MEL,
    choices=speech.BACKBONES,
  )
  audio_model: str | None = option(
    "Folder of the speech model, or its name on the Hugging Face hub.", None
  )
  audio_layer: int = option(
    "Its hidden state; 0: before the first layer, -1: its output.", -1
  )
  audio_pool: int = option(
    "Neighbouring states, of 50 a second, that are averaged.",
    2,
    limits=(1, 50),
  )
  frames: int = option(
    "Largest number per clip.", MAX_FRAMES, limits=(1, MAX_FRAMES)
  )
  image_size: int = option(
    "Side of a picture, pixels.", 224, limits=(_SMALLEST_IMAGE, 1024)
  )
  faces: str = option(
    "Face detector; none: whole frames.", DETECTORS[0], choices=DETECTORS
  )
  faces_choice: str = option(
    "Which of several faces: the largest, or the one whose mouth moves with "
    "the voice in the same file.",
    "largest",
    choices=("largest", "speaking"),
  )
  face_model: Path | None = option("File of the detector yunet, .onnx.", None)
  backbone: str = option(
    "efficientnet_lite0, hsemotion, timm:NAME, clip or dinov2.",
    DEFAULT_BACKBONE,
  )
  backbone_weights: Path | None = option(
    "Weights file of hsemotion or timm, folder of clip or dinov2.", None
  )
  engine: str = option(
    "What computes the face network; onnxruntime: half the time, CPU alone.",
    ENGINES[0],
    choices=ENGINES,
  )


@dataclass(frozen=True)
class RunOptions:
  """Where datasets go, how the work is done and when it is given up."""

  out: Path = option("DATA_DIR of all datasets.")
  overwrite: bool = option("Replace an existing dataset.", False)
  jobs: int = option(
    "Processes; one per core if unset.", _count_cores(), limits=(1, 1024)
  )
  device: str = option("Where the face network runs.", "auto", choices=DEVICES)
  clip_seconds: float = option(
    "A medium that takes longer is given up.", 300.0, limits=(1, 86400)
  )
  max_bad: float = option(
    "Largest share of labelled clips that may have an unusable medium; with "
    "more of them no dataset is written; 1: no limit.",
    1.0,
    limits=(0, 1),
  )
  beam_runner: str | None = option(
    "Apache Beam instead of --jobs: DirectRunner, ...", None
  )
  beam_options: str = option(
    'Options for Beam, in one string: --beam_options="--project=P --region=R".',
    "",
  )


def flag_faults(features: FeatureOptions, running: RunOptions) -> list[str]:
  """Lists what is wrong with the flags."""
  faults = outside_limits(features) + outside_limits(running)
  faults += speech.flag_faults(
    features.audio_backbone, features.audio_model, features.max_seconds
  )
  if running.beam_options and not running.beam_runner:
    faults.append("--beam_options goes with --beam_runner only")
  if is_remote(running.out) and running.out.protocol != "gs":
    faults.append(
      f"expected --out on a disk or in gs://, found {running.out}: elsewhere "
      "two exports at once were not tried"
    )
  return faults


def build_settings(
  options: FeatureOptions, device: str = "auto"
) -> ExtractionSettings:
  """The extraction settings that the flags ask for.

  Args:
    options: what changes features.
    device: where the face network runs.

  Raises:
    InputError: unknown backbone, missing weights, a missing detector or GPU.
  """
  check_engine(options.engine, device, options.backbone in vision.KINDS)
  weights = find_weights(options.backbone, options.backbone_weights)
  changes = parse_policies(options.policy)
  policies = {
    modality: {
      name: changes.get(name, action)
      for name, action in default_policies(modality).items()
    }
    for modality in ("audio", "video")
  }
  limits = {
    "max_seconds": options.max_seconds,
    "far_seconds": options.far_seconds,
  }
  speaker = SpeakerSettings() if options.faces_choice == "speaking" else None
  video = VideoSettings(
    backbone=options.backbone,
    weights_sha256=hash_weights(weights),
    image_size=options.image_size,
    frames=options.frames,
    engine=options.engine,
    faces=describe_faces(options.faces, options.face_model, speaker),
    policies=policies["video"],
    **limits,
    **describe_network(options.backbone, weights),
  )
  audio = AudioSettings(policies=policies["audio"], **limits)
  audio, folder = _with_speech(audio, options)
  return ExtractionSettings(
    *(audio, video, options.backbone_weights, options.face_model),
    *(device, folder),
  )


def _with_speech(
  audio: AudioSettings, options: FeatureOptions
) -> tuple[AudioSettings, Path | None]:
  """The settings with those of a speech model, and its folder, if one is."""
  if options.audio_backbone == speech.MEL:
    return audio, None
  folder = speech.find_model(options.audio_model)
  settings, width = speech.describe_model(
    *(options.audio_backbone, folder),
    *(options.audio_layer, options.audio_pool),
  )
  return replace(audio, speech=settings, mels=width), folder
