"""Exports a raw corpus as TFRecords.

python -m feature_export.export --corpus ravdess --raw RAW --out DATA_DIR
"""

import argparse
import os
import re
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
  VideoSettings,
  find_weights,
  hash_file,
)
from feature_export.features.extraction import ExtractionSettings
from feature_export.features.video import MAX_FRAMES
from feature_export.importers import (
  IMPORTERS,
  add_importer_flags,
  importer_flag_faults,
)
from feature_export.records.pipeline import Pipeline
from feature_export.records.report import ExportReport, format_reports
from feature_export.records.schema import build_metadata, build_record
from feature_export.records.tensorflow_start import prepare

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
  add("--max_seconds", type=float, default=20.0, help="longer audio is cut")
  add("--frames", type=int, default=MAX_FRAMES, help="pictures per clip")
  add("--image_size", type=int, default=224, help="side of a picture, pixels")
  add("--backbone", default=DEFAULT_BACKBONE, help="or timm:NAME")
  add("--backbone_weights", type=Path, help="a state dict file")
  add_importer_flags(parser)
  return parser


def _check_options(options: argparse.Namespace) -> None:
  """Raises one InputError with everything wrong with the flags."""
  faults = []
  for flag, low, high in (
    ("jobs", 1, 1024),
    ("frames", 1, MAX_FRAMES),
    ("image_size", _SMALLEST_IMAGE, 1024),
    ("max_seconds", 1, 3600),
  ):
    value = getattr(options, flag)
    if not low <= value <= high:
      faults.append(f"--{flag} must be in [{low}, {high}], found {value}")
  faults += importer_flag_faults(options)
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
    InputError: unknown backbone or missing weights.
  """
  weights = find_weights(options.backbone, options.backbone_weights)
  video = VideoSettings(
    backbone=options.backbone,
    weights_sha256=hash_file(weights),
    image_size=options.image_size,
    frames=options.frames,
  )
  audio = AudioSettings(max_seconds=options.max_seconds)
  return ExtractionSettings(audio, video, weights)


def _describe_stored(corpus: Corpus) -> str:
  """The features that a corpus brings, for the terminal."""
  stored = corpus.stored
  return (
    f"{corpus.name}: features of {', '.join(stored.files)} ({stored.source}), "
    f"audio {stored.audio_dimension} wide, video {stored.video_dimension}; "
    f"NaN and infinite values: {stored.nonfinite}"
  )


def _describe_run(
  corpora: Sequence[Corpus],
  settings: ExtractionSettings,
  options: argparse.Namespace,
) -> str:
  """What the export uses, for the terminal."""
  audio, video = settings.audio, settings.video
  names = ", ".join(corpus.name for corpus in corpora)
  if corpora[0].stored:
    return "\n".join(
      [
        f"Exporting {names} from {options.raw} to {options.out}",
        *(_describe_stored(corpus) for corpus in corpora),
      ]
    )
  return "\n".join(
    [
      f"Exporting {names} from {options.raw} to {options.out} with "
      f"{options.jobs} processes",
      "audio: left out"
      if options.noaudio
      else f"audio: {audio.mels} log-Mel bins, {audio.sample_rate} Hz, window "
      f"{audio.window}, hop {audio.hop}, at most {audio.max_seconds:g} s",
      "video: left out"
      if options.novideo
      else f"video: {video.frames} frames of {video.image_size} px, "
      f"{video.backbone}, weights {settings.weights.name} "
      f"(sha256 {video.weights_sha256[:12]})",
    ]
  )


def _write_corpus(
  corpus: Corpus, pipeline: Pipeline, settings: ExtractionSettings, out: Path
) -> ExportReport:
  """Extracts and writes one corpus, with a progress bar."""
  from tqdm import tqdm

  from feature_export.records.builder import write_dataset

  report = ExportReport(corpus)
  around = contexts(corpus.utterances, CONTEXT_TURNS)
  clips = [each for each in corpus.utterances if each.labelled]
  started = time.monotonic()
  with tqdm(
    total=len(clips), desc=corpus.name, unit=" clips", disable=None
  ) as progress:

    def records_of(split: str):
      chosen = (each for each in clips if each.split == split)
      for utterance, extraction in pipeline.run(chosen):
        for modality, reason in extraction.absent.items():
          progress.write(
            f"{utterance.id}: {modality} absent: {reason}", file=sys.stderr
          )
        report.add(utterance, extraction)
        progress.update()
        yield build_record(utterance, around[utterance.id], extraction, corpus)

    def make_report() -> dict:
      report.seconds = time.monotonic() - started
      return report.to_json()

    metadata = build_metadata(corpus, settings)
    write_dataset(corpus.name, metadata, records_of, make_report, out)
  return report


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
  corpora = import_corpora(options)
  import tensorflow_datasets as tfds

  tfds.disable_progress_bar()  # ours shows clips/s
  _check_targets(corpora, options.out, options.overwrite)
  print(_describe_run(corpora, settings, options), flush=True)
  with Pipeline(settings, options.jobs) as pipeline:
    reports = [
      _write_corpus(corpus, pipeline, settings, options.out)
      for corpus in corpora
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
    print("Interrupted; unfinished datasets are removed.", file=sys.stderr)
    return 130
  return 0


if __name__ == "__main__":
  sys.exit(main())
