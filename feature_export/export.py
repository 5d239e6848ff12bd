"""Exports a raw corpus as TFRecords.

python -m feature_export.export --corpus ravdess --raw RAW --out DATA_DIR
"""

import argparse
import os
import re
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from feature_export.corpora.utterance import (
  CONTEXT_TURNS,
  Corpus,
  Stored,
  Utterance,
  contexts,
  validate,
)
from feature_export.errors import InputError
from feature_export.features.audio import AudioSettings
from feature_export.features.efficientnet import (
  DEFAULT_BACKBONE,
  DEVICES,
  VideoSettings,
  choose_device,
  describe_network,
  find_weights,
)
from feature_export.features.extraction import ExtractionSettings, media_of
from feature_export.features.faces import DETECTORS, describe_faces
from feature_export.features.findings import (
  KINDS,
  default_policies,
  parse_policies,
)
from feature_export.features.video import MAX_FRAMES
from feature_export.files import hash_file
from feature_export.importers import (
  IMPORTERS,
  add_importer_flags,
  importer_flag_faults,
)
from feature_export.records.description import describe_run
from feature_export.records.pipeline import Pipeline
from feature_export.records.report import ExportReport, format_reports
from feature_export.records.schema import build_metadata, build_record
from feature_export.records.store import open_store
from feature_export.records.tensorflow_start import prepare
from feature_export.records.workers import Workers

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SMALLEST_IMAGE = 32  # five halvings leave one pixel


def build_parser() -> argparse.ArgumentParser:
  """The command's flags."""
  parser = argparse.ArgumentParser(
    prog="python -m feature_export.export",
    description="Raw clips in, TFRecords with audio and video features out.",
    allow_abbrev=False,
  )
  add = parser.add_argument
  add("--corpus", required=True, choices=sorted(IMPORTERS))
  add("--raw", required=True, type=Path, help="the raw corpus")
  add("--out", required=True, type=Path, help="DATA_DIR of all datasets")
  add("--name", help="dataset name (default: the corpus's or folder's name)")
  add(
    "--jobs",
    type=int,
    default=len(os.sched_getaffinity(0))
    if hasattr(os, "sched_getaffinity")
    else os.cpu_count() or 1,
    help="processes (default: one per core)",
  )
  add("--overwrite", action="store_true", help="replace an existing dataset")
  add("--noaudio", action="store_true", help="leave the audio out")
  add("--novideo", action="store_true", help="leave the video out")
  _add_extraction_flags(add)
  _add_run_flags(add)
  add_importer_flags(parser)
  return parser


def _add_extraction_flags(add) -> None:
  """Flags that change features, and so the settings' hash."""
  add("--max_seconds", type=float, default=20.0, help="longer clips are cut")
  add(
    "--far_seconds",
    type=float,
    default=120.0,
    help="a file without an interval that is longer is no utterance",
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
  add("--frames", type=int, default=MAX_FRAMES, help="pictures per clip")
  add("--image_size", type=int, default=224, help="side of a picture, pixels")
  add(
    "--faces",
    choices=DETECTORS,
    default=DETECTORS[0],
    help="face detector; none: whole frames (default: haar)",
  )
  add("--face_model", type=Path, help="yunet: its .onnx file")
  add(
    "--backbone",
    default=DEFAULT_BACKBONE,
    help="efficientnet_lite0, hsemotion or timm:NAME (an EfficientNet)",
  )
  add("--backbone_weights", type=Path, help="hsemotion, timm: their file")


def _add_run_flags(add) -> None:
  """Flags that say how the work is done and when to give up."""
  add("--device", choices=DEVICES, default="auto", help="of the network")
  add(
    "--clip_seconds",
    type=float,
    default=300.0,
    help="most seconds of work on one medium (default: 300)",
  )
  add(
    "--max_bad",
    type=float,
    default=1.0,
    help="largest share of labelled clips with an unusable medium; more, and "
    "no dataset appears (default: 1, no limit)",
  )
  add("--beam_runner", help="Apache Beam instead of --jobs: DirectRunner, ...")
  add(
    "--beam_options",
    default="",
    help='of Beam, in one string: --beam_options="--project=P --region=R"',
  )


def _check_options(options: argparse.Namespace) -> None:
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


def import_corpora(options: argparse.Namespace) -> list[Corpus]:
  """Runs the importer and checks what it gives, before any extraction.

  Raises:
    InputError: missing or empty raw folder, or any fault of the corpora.
  """
  raw = options.raw
  # The demo makes its own raw media.
  if options.corpus != "demo":
    if not raw.exists():
      raise InputError(f"No raw corpus at {raw}. Correct --raw.")
    if raw.is_dir() and not any(raw.iterdir()):
      raise InputError(
        f"The folder {raw} is empty; expected the raw files of "
        f"{options.corpus}. Correct --raw."
      )
  corpora = IMPORTERS[options.corpus](raw, options)
  if options.name is not None:
    corpora = [replace(each, name=options.name) for each in corpora]
  for corpus in corpora:
    if not _NAME.fullmatch(corpus.name):
      raise InputError(
        f"{corpus.name!r} cannot name a dataset; expected lower-case letters, "
        "digits and underscores, a letter first. Give --name."
      )
    validate(corpus)
  return [_drop_media(corpus, options) for corpus in corpora]


def _drop_media(corpus: Corpus, options: argparse.Namespace) -> Corpus:
  """Takes out the modalities that the flags leave out."""
  dropped = [
    name for name in ("audio", "video") if getattr(options, f"no{name}")
  ]

  def drop(utterance: Utterance) -> Utterance:
    changes = {}
    for name in dropped:
      media = getattr(utterance, name)
      # No rows, but their width: it is the record's.
      stored = isinstance(media, Stored)
      changes[name] = Stored(media.values[:0]) if stored else None
    return replace(utterance, **changes)

  return replace(corpus, utterances=tuple(map(drop, corpus.utterances)))


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


def _extract_all(pipeline: Pipeline, corpus: Corpus) -> None:
  """Extracts every medium of the labelled clips, with a progress bar."""
  from tqdm import tqdm

  clips = [each for each in corpus.utterances if each.labelled]
  total = sum(len(media_of(each)) for each in clips)
  with tqdm(
    total=total, desc=corpus.name, unit=" media", disable=None
  ) as progress:
    for task, features in pipeline.extract(clips):
      progress.update()
      for finding in features.findings:
        if finding.action == "absent":
          progress.write(
            f"{task.media.path.name}: {task.modality} absent: {finding.reason}",
            file=sys.stderr,
          )


def _check_bad(report: ExportReport, max_bad: float, out: Path) -> None:
  """Refuses a corpus with too many unusable media, and keeps the list.

  Raises:
    InputError: naming the list's file.
  """
  from feature_export.records.builder import write_json

  rejected = out / f"{report.corpus.name}.rejected.json"
  if report.bad <= max_bad * report.clips:
    rejected.unlink(missing_ok=True)
    return
  write_json(rejected, report.to_json())
  raise InputError(
    f"{report.corpus.name}: {report.bad} of {report.clips} labelled clips have "
    f"an unusable medium, more than --max_bad {max_bad:g} allows. They are "
    f"listed in {rejected}. Repair them and run the command again (finished "
    "clips are kept), or give a larger --max_bad."
  )


def _write_corpus(
  corpus: Corpus,
  workers: Workers,
  settings: ExtractionSettings,
  options: argparse.Namespace,
) -> ExportReport:
  """Extracts and writes one corpus."""
  from feature_export.records import builder

  started = time.monotonic()
  report = ExportReport(corpus, device=options.device)
  around = contexts(corpus.utterances, CONTEXT_TURNS)
  clips = [each for each in corpus.utterances if each.labelled]
  with builder.open_work_folder(options.out, corpus.name) as work:
    store = open_store(work / "features", settings)
    pipeline = Pipeline(settings, store, workers)

    def examples_of(split: str):
      for utterance in clips:
        if utterance.split == split:
          extraction = pipeline.collect(utterance)
          report.add(utterance, extraction)
          yield (
            utterance.id,
            build_record(utterance, around[utterance.id], extraction, corpus),
          )

    metadata = build_metadata(corpus, settings)
    if options.beam_runner:
      made = _write_with_beam(corpus, metadata, settings, store, work, options)
      # What was lost there is tried once more here, and so reported.
      for utterance in clips:
        report.add(utterance, pipeline.extract_now(utterance))
    else:
      _extract_all(pipeline, corpus)
      report.reused = pipeline.reused
      made = builder.write_draft(corpus.name, metadata, examples_of, work)
    report.seconds = time.monotonic() - started
    _check_bad(report, options.max_bad, options.out)
    builder.publish(made, report.to_json(), corpus.name, options.out, work)
  return report


def _write_with_beam(corpus, metadata, settings, store, work, options) -> Path:
  """Extracts and writes one corpus on Apache Beam."""
  from feature_export.records import beam, builder

  transform = beam.make_transform(corpus, settings, store, options.clip_seconds)
  config = beam.build_download_config(
    options.beam_runner, shlex.split(options.beam_options)
  )
  return builder.write_draft(corpus.name, metadata, transform, work, config)


def _check_targets(
  corpora: Sequence[Corpus], out: Path, overwrite: bool
) -> None:
  """Refuses to replace datasets that nobody asked to replace."""
  from feature_export.records.builder import dataset_path

  targets = [dataset_path(out, corpus.name) for corpus in corpora]
  existing = [str(target) for target in targets if target.exists()]
  if existing and not overwrite:
    raise InputError(
      f"Already there: {', '.join(existing)}. Give --overwrite to replace, "
      "--name or --out to keep."
    )


def export(options: argparse.Namespace) -> list[ExportReport]:
  """Runs the whole export.

  Raises:
    InputError: a user's mistake; nothing has been written.
  """
  _check_options(options)
  settings = build_settings(options)
  if options.device == "cuda":
    choose_device("cuda")  # fails now, not in every process
  corpora = import_corpora(options)
  import tensorflow_datasets as tfds

  tfds.disable_progress_bar()  # ours shows clips/s
  _check_targets(corpora, options.out, options.overwrite)
  print(describe_run(corpora, settings, options), flush=True)
  with Workers(settings, options.jobs, options.clip_seconds) as workers:
    reports = [
      _write_corpus(corpus, workers, settings, options) for corpus in corpora
    ]
  print(format_reports(reports))
  return reports


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  prepare()
  options = build_parser().parse_args(arguments)
  try:
    export(options)
  except InputError as error:
    print(error, file=sys.stderr)
    return 2
  except OSError as error:
    print(f"Reading or writing failed: {error}", file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    print(
      "Interrupted. Run the same command again to go on; finished clips are "
      "kept.",
      file=sys.stderr,
    )
    return 130
  return 0


if __name__ == "__main__":
  sys.exit(main())
