"""The features of clips that are to be predicted, row by row of a manifest.

Every row is answered: DIR/rows.jsonl has one line for each, in order, and
DIR/<number>.npz its features; a row that cannot be read has an error instead.
"""

import argparse
import importlib.util
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from feature_export.corpora.manifest import ROW_TYPES, parse_row, row_media
from feature_export.corpora.utterance import CONTEXT_TURNS, Utterance, contexts
from feature_export.errors import InputError
from feature_export.extraction.clip_extractor import ClipExtractor
from feature_export.extraction.media_extractor import media_of
from feature_export.extraction.store import open_store
from feature_export.extraction.workers import Workers
from feature_export.features.efficientnet import find_weights
from feature_export.features.extracted import Extraction
from feature_export.features.faces import describe_faces
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  FaceSettings,
  VideoSettings,
)
from feature_export.files import hash_file
from feature_export.records.schema import hash_settings

ROWS_FILE = "rows.jsonl"
_SIDES = ("before", "after", "before_speakers", "after_speakers")
_TYPES = {**ROW_TYPES, "corpus": str, **dict.fromkeys(_SIDES, list)}
_NEEDED = ("torch", "librosa", "av", "soundfile")
_CLIP_SECONDS = 300.0  # most time for one medium


@dataclass(frozen=True)
class ClipRow:
  """One line: what it says, or why it cannot be read."""

  id: str
  values: dict = field(default_factory=dict)
  error: str | None = None


def read_rows(manifest: Path, root: Path) -> list[ClipRow]:
  """The rows of a manifest, blank lines left out.

  Raises:
    InputError: no such file, or not UTF-8.
  """
  try:
    lines = manifest.read_text(encoding="utf-8-sig").split("\n")
  except (OSError, UnicodeDecodeError) as error:
    raise InputError(
      f"{manifest}: expected JSON lines in UTF-8, found {error}."
    ) from error
  return [
    _read_row(line, root, number)
    for number, line in enumerate(lines, start=1)
    if line.strip()
  ]


def _read_row(line: str, root: Path, number: int) -> ClipRow:
  row = parse_row(line, root, _TYPES, ("text",))
  name = str(row.values.get("id", number))
  faults = [*row.faults]
  for side in _SIDES:
    given = row.values.get(side, [])
    if isinstance(given, list) and not all(isinstance(x, str) for x in given):
      faults.append(f"{side} must be a list of strings, found {given!r:.60}")
  if faults:
    error = f"line {number}: {'; '.join(faults)}"
    return ClipRow(name, error=error)
  return ClipRow(name, row.values)


def add_contexts(rows: Sequence[ClipRow]) -> list[dict]:
  """What the predictor needs of each row besides features.

  The turns of a row's dialogue are its context, unless it brings its own.
  """
  utterances = [
    Utterance(
      # Users' ids may repeat; numbers do not.
      id=str(number),
      split="test",
      text=row.values.get("text", ""),
      dialogue=row.values.get("dialogue", ""),
      turn=row.values.get("turn", 0),
      speaker=row.values.get("speaker", ""),
    )
    for number, row in enumerate(rows)
    if row.error is None
  ]
  around = contexts(utterances, CONTEXT_TURNS)
  found = []
  for number, row in enumerate(rows):
    entry: dict = {"id": row.id, "error": row.error}
    if row.error is None:
      context = around[str(number)]
      own = any(side in row.values for side in _SIDES)
      entry |= {
        side: row.values.get(side, []) if own else list(getattr(context, side))
        for side in _SIDES
      }
      entry |= {
        key: row.values.get(key, "") for key in ("text", "speaker", "corpus")
      }
    found.append(entry)
  return found


def build_settings(
  stored: dict, weights: Path | None, face_model: Path | None
) -> ExtractionSettings:
  """The settings that a training run's features were made with.

  Raises:
    InputError: settings of another exporter, other weights, or another face
      detector.
  """
  try:
    audio = AudioSettings(**stored["audio"])
    video = VideoSettings(**stored["video"])
    faces = FaceSettings(**stored["video"]["faces"])
  except (KeyError, TypeError) as error:
    raise InputError(
      "The features of this run were not made by this exporter's audio and "
      f"video extraction ({error}); predict from --features instead."
    ) from error
  found = find_weights(video.backbone, weights)
  digest = hash_file(found)
  if digest != video.weights_sha256:
    raise InputError(
      f"Backbone weights: expected the sha256 {video.weights_sha256} that the "
      f"run was trained with, found {digest} in {found}. Give "
      "--backbone_weights."
    )
  detector = describe_faces(faces.detector, face_model)
  if detector.files != faces.files:
    raise InputError(
      f"Face detector {faces.detector}: expected the files {faces.files} that "
      f"the run was trained with, found {detector.files}. Install that version "
      f"of OpenCV ({faces.version}), or give --face_model."
    )
  video = replace(video, faces=faces)
  return ExtractionSettings(audio, video, found, face_model)


def _notes(extraction: Extraction) -> list[str]:
  """What was odd about a clip's media, and what was done about it."""
  return [
    f"{modality} {finding.action}: {finding.reason}"
    for modality, finding in extraction.findings()
  ]


def _extract(
  clips: Sequence[Utterance], settings: ExtractionSettings, jobs: int
) -> Iterator[tuple[Utterance, Extraction]]:
  """Features of all clips, in order; a medium that ends its process is absent.

  Raises:
    InputError: weights or a detector that cannot be used.
  """
  from tqdm import tqdm

  with (
    tempfile.TemporaryDirectory(prefix="unimse_features_") as folder,
    Workers(settings, jobs, _CLIP_SECONDS) as workers,
  ):
    store = open_store(Path(folder), settings)
    extractor = ClipExtractor(settings, store, workers)
    total = sum(len(media_of(clip)) for clip in clips)
    with tqdm(total=total, desc="features", unit=" media", disable=None) as bar:
      for _ in extractor.extract(clips):
        bar.update()
    for clip in clips:
      yield clip, extractor.collect(clip)


def extract_clips(options: argparse.Namespace) -> None:
  """Extracts everything; rows.jsonl is written last.

  Raises:
    InputError: a user's mistake that concerns all rows.
  """
  absent = [name for name in _NEEDED if not importlib.util.find_spec(name)]
  if absent:
    raise InputError(
      f"Raw media need the exporter; {', '.join(absent)} not installed. "
      'Install it: pip install ".[export]"'
    )
  root = options.root or options.manifest.parent
  rows = read_rows(options.manifest, root)
  stored = json.loads(options.settings.read_text(encoding="utf-8"))
  settings = build_settings(
    stored, options.backbone_weights, options.face_model
  )
  entries = add_contexts(rows)
  clips = [
    Utterance(
      id=str(number),
      split="test",
      text="",
      audio=row_media(row.values, "audio", root),
      video=row_media(row.values, "video", root),
    )
    for number, row in enumerate(rows)
    if row.error is None
  ]
  for utterance, extraction in _extract(clips, settings, options.jobs):
    np.savez(
      options.out / f"{utterance.id}.npz",
      audio=extraction.audio.values,
      video=extraction.video.values,
    )
    entry = entries[int(utterance.id)]
    entry["features"] = f"{utterance.id}.npz"
    entry["notes"] = _notes(extraction)
  digest = hash_settings(settings.describe())
  lines = [json.dumps({"settings_sha256": digest}), *map(json.dumps, entries)]
  (options.out / ROWS_FILE).write_text("\n".join(lines) + "\n")
