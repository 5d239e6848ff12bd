"""The flags of an export: how features are made, and how the work is done."""

import argparse
import os

from feature_export.corpora.importers import importer_flag_faults
from feature_export.errors import InputError
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
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  VideoSettings,
)
from feature_export.features.video import MAX_FRAMES
from feature_export.files import hash_file, local_path

_SMALLEST_IMAGE = 32  # the network halves it five times, to one pixel


def _count_cores() -> int:
  """The number of cores that this process may use."""
  if hasattr(os, "sched_getaffinity"):  # not on macOS
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def add_extraction_flags(parser: argparse.ArgumentParser) -> None:
  """Adds the flags that change features, and so the settings' hash."""
  add = parser.add_argument
  add("--max_seconds", type=float, default=20.0, help="longer clips are cut")
  add(
    "--far_seconds",
    type=float,
    default=120.0,
    help="a file that is longer, and has no interval, is not one utterance",
  )
  add(
    "--policy",
    action="append",
    default=[],
    metavar="KIND=ACTION",
    help="what to do about a kind of fault (docs/features.md): "
    + ", ".join(
      f"{name}={'|'.join(kind.actions)}"
      for name, kind in KINDS.items()
      if len(kind.actions) > 1
    ),
  )
  add("--frames", type=int, default=MAX_FRAMES, help="largest number per clip")
  add("--image_size", type=int, default=224, help="side of a picture, pixels")
  add(
    "--faces",
    choices=DETECTORS,
    default=DETECTORS[0],
    help="face detector; none: whole frames (default: haar)",
  )
  add("--face_model", type=local_path, help="file of the detector yunet, .onnx")
  add(
    "--backbone",
    default=DEFAULT_BACKBONE,
    help="efficientnet_lite0, hsemotion or timm:NAME (an EfficientNet)",
  )
  add(
    "--backbone_weights",
    type=local_path,
    help="weights file of the face network; hsemotion and timm need it",
  )


def add_run_flags(parser: argparse.ArgumentParser) -> None:
  """Adds the flags that say how the work is done and when to give up."""
  add = parser.add_argument
  add(
    "--jobs",
    type=int,
    default=_count_cores(),
    help="processes (default: one per core)",
  )
  add(
    "--device",
    choices=DEVICES,
    default="auto",
    help="where the face network runs",
  )
  add(
    "--clip_seconds",
    type=float,
    default=300.0,
    help="a medium that takes longer is given up (default: 300)",
  )
  add(
    "--max_bad",
    type=float,
    default=1.0,
    help="largest share of labelled clips that may have an unusable medium; "
    "with more of them no dataset is written (default: 1, no limit)",
  )
  add("--beam_runner", help="Apache Beam instead of --jobs: DirectRunner, ...")
  add(
    "--beam_options",
    default="",
    help="options for Beam, in one string: "
    '--beam_options="--project=P --region=R"',
  )


def check_flags(options: argparse.Namespace) -> None:
  """Raises one InputError with everything wrong with the flags."""
  faults = []
  for flag, low, high in (
    ("jobs", 1, 1024),
    ("frames", 1, MAX_FRAMES),
    ("image_size", _SMALLEST_IMAGE, 1024),
    ("max_seconds", 1, 3600),
    ("far_seconds", 1, 86400),
    ("clip_seconds", 1, 86400),
    ("max_bad", 0, 1),
  ):
    value = getattr(options, flag)
    if not low <= value <= high:
      faults.append(f"--{flag} must be in [{low}, {high}], found {value}")
  faults += importer_flag_faults(options)
  if options.beam_options and not options.beam_runner:
    faults.append("--beam_options goes with --beam_runner only")
  if options.name is not None and options.corpus == "demo":
    faults.append("--name does not go with --corpus demo, which makes four")
  if faults:
    raise InputError("\n".join(faults))


def build_settings(options: argparse.Namespace) -> ExtractionSettings:
  """The extraction settings that the flags ask for.

  Raises:
    InputError: unknown backbone, missing weights, a missing detector or GPU.
  """
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
  video = VideoSettings(
    backbone=options.backbone,
    weights_sha256=hash_file(weights),
    image_size=options.image_size,
    frames=options.frames,
    faces=describe_faces(options.faces, options.face_model),
    policies=policies["video"],
    **limits,
    **describe_network(options.backbone),
  )
  audio = AudioSettings(policies=policies["audio"], **limits)
  return ExtractionSettings(
    audio, video, weights, options.face_model, options.device
  )
