"""The features of clips that are to be predicted, row by row of a manifest.

Every row is answered: DIR/rows.jsonl has one line for each, in order, and
DIR/<number>.npz its features; a row that cannot be read has an error instead.
"""

import contextlib
import importlib.util
import json
import reprlib
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from feature_export.corpora.manifest import (
  ROW_TYPES,
  ManifestRow,
  group_dialogues,
  number_turns,
  read_rows,
  row_media,
  turn_faults,
)
from feature_export.corpora.utterance import Utterance, with_contexts
from feature_export.errors import InputError
from feature_export.extraction.clip_extractor import (
  ClipExtractor,
  LostFeaturesError,
)
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
  SpeakerSettings,
  VideoSettings,
)
from feature_export.features.speech import SpeechSettings, find_model
from feature_export.features.weights import hash_weights
from feature_export.files import parse_json
from feature_export.records.schema import hash_settings

ROWS_FILE = "rows.jsonl"
_SIDES = ("before", "after", "before_speakers", "after_speakers")
_TYPES = {**ROW_TYPES, "corpus": str, **dict.fromkeys(_SIDES, list)}
_NEEDED = ("torch", "librosa", "av", "soundfile")
_CLIP_SECONDS = 300.0  # a medium that takes longer is given up


def _find_faults(
  rows: Iterable[ManifestRow], dialogues: Iterable[Sequence[ManifestRow]]
) -> dict[int, list[str]]:
  """Line number -> what is wrong with a row, of those that have faults.

  They are its own, contexts of no strings, and turns of its dialogue that put
  the rows in no order: then no row of the dialogue has a certain context.
  """
  faults = defaultdict(list)
  for row in rows:
    faults[row.number] += row.faults
    for side in _SIDES:
      given = row.values.get(side, [])
      if isinstance(given, list) and not all(isinstance(x, str) for x in given):
        fault = f"{side} must be a list of strings, found {given!r:.60}"
        faults[row.number].append(fault)
  for dialogue in dialogues:
    # The first of them only: each row says it, and all turns may be equal.
    if fault := next(turn_faults(dialogue), None):
      for row in dialogue:
        faults[row.number].append(f"its dialogue has no order: {fault}")
  return {number: each for number, each in faults.items() if each}


def _to_utterance(row: ManifestRow, position: int, turn: int) -> Utterance:
  """The utterance of a row whose words are known, without its media.

  Args:
    row: line of the manifest.
    position: its place among the rows. It is the utterance's id, because users'
      ids may repeat.
    turn: its turn, where it has none of its own.
  """
  plain = ("text", "dialogue", "turn", "speaker")
  given = {key: row.values[key] for key in plain if key in row.values}
  return Utterance(id=str(position), split="test", **{"turn": turn, **given})


def _with_media(clip: Utterance, row: ManifestRow, root: Path) -> Utterance:
  """The utterance of a row without faults, with its media."""
  return replace(
    clip,
    audio=row_media(row.values, "audio", root),
    video=row_media(row.values, "video", root),
  )


def _describe_row(row: ManifestRow, utterance: Utterance) -> dict:
  """What the predictor needs of a row besides its features.

  The turns of a row's dialogue are its context, unless it brings its own.
  """
  own = any(side in row.values for side in _SIDES)
  return {
    side: row.values.get(side, []) if own else list(getattr(utterance, side))
    for side in _SIDES
  } | {key: row.values.get(key, "") for key in ("text", "speaker", "corpus")}


def read_clips(
  manifest: Path, root: Path
) -> tuple[list[dict], dict[int, Utterance]]:
  """Reads a manifest of clips.

  Args:
    manifest: JSON lines; `text` alone is needed.
    root: folder that the paths in it are relative to.

  Returns:
    An answer to every row but blank ones: its id, its error or None, and
    without an error its text and context. Position of an answer -> utterance,
    of the rows without an error. A row whose media alone are at fault is
    context of the others still.

  Raises:
    InputError: no such file, or not UTF-8.
  """
  rows = read_rows(manifest, root, _TYPES, ("text",))
  dialogues = group_dialogues(rows)  # `split` is not read here
  faults, turns = _find_faults(rows, dialogues), number_turns(dialogues)
  answers, worded, clips = [], [], {}
  for position, row in enumerate(rows):
    error = None
    if row.number in faults:
      error = f"line {row.number}: {'; '.join(faults[row.number])}"
    if row.worded:
      turn = turns.get(row.number, 0)
      worded.append(_to_utterance(row, position, turn))
    name = row.values.get("id", str(row.number))
    name = name if isinstance(name, str) else reprlib.repr(name)
    answers.append({"id": name, "error": error})
  for clip in with_contexts(worded):
    row = rows[position := int(clip.id)]
    if row.number not in faults:
      clips[position] = _with_media(clip, row, root)
      answers[position] |= _describe_row(row, clip)
  return answers, clips


def build_settings(
  stored: dict,
  weights: Path | None,
  face_model: Path | None,
  speech_model: str | None = None,
) -> ExtractionSettings:
  """The settings that a training run's features were made with.

  Args:
    stored: "audio" and "video" settings, as a dataset's metadata hold them.
    weights: weights file of the network; None: the default's.
    face_model: file of the face detector; None: OpenCV's own.
    speech_model: folder or hub name of the speech model, if the run read one.

  Raises:
    InputError: settings of another exporter, other weights, or another face
      detector.
  """
  try:
    audio = AudioSettings(**stored["audio"])
    if audio.speech is not None:
      audio = replace(audio, speech=SpeechSettings(**stored["audio"]["speech"]))
    video = VideoSettings(**stored["video"])
    faces = FaceSettings(**stored["video"]["faces"])
    if faces.speaker is not None:
      faces = replace(faces, speaker=SpeakerSettings(**faces.speaker))
  except (KeyError, TypeError) as error:
    raise InputError(
      "The features of this run were not made by this exporter's audio and "
      f"video extraction ({error}); predict from --features instead."
    ) from error
  weights_file = find_weights(video.backbone, weights)
  digest = hash_weights(weights_file)
  if digest != video.weights_sha256:
    raise InputError(
      f"Backbone weights: expected the sha256 {video.weights_sha256} that the "
      f"run was trained with, found {digest} in {weights_file}. Give "
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
  folder = None
  if audio.speech is not None:
    if speech_model is None:
      raise InputError(
        f"Speech model: expected --audio_model, the {audio.speech.kind} model "
        f"that the run was trained with (sha256 {audio.speech.sha256}), found "
        "none"
      )
    folder = find_model(speech_model)
  return ExtractionSettings(
    audio, video, weights, face_model, speech_model=folder
  )


def _notes(extraction: Extraction) -> list[str]:
  """Lines that say what was odd about a clip's media, and what was done."""
  return [
    f"{modality} {finding.action}: {finding.reason}"
    for modality, finding in extraction.findings()
  ]


def _collect(
  extractor: ClipExtractor, clip: Utterance
) -> Extraction | LostFeaturesError:
  """The features of a clip whose media were extracted, or why they are lost."""
  try:
    try:
      return extractor.collect(clip)
    except LostFeaturesError:
      # Its file changed, or that of a clip before it ended the extraction.
      return extractor.extract_now(clip)
  except LostFeaturesError as error:
    return error


def _extract(
  clips: Sequence[Utterance], settings: ExtractionSettings, workers: Workers
) -> Iterator[tuple[Utterance, Extraction | LostFeaturesError]]:
  """Yields the features of all clips, in order, or why a clip's are lost.

  A medium that ends its process, or takes too long, is absent.

  Raises:
    InputError: weights or a detector that cannot be used.
  """
  from tqdm import tqdm

  with tempfile.TemporaryDirectory(prefix="unimse_features_") as folder:
    store = open_store(Path(folder), settings)
    extractor = ClipExtractor(settings, store, workers)
    total = sum(len(media_of(clip)) for clip in clips)
    with (
      contextlib.suppress(LostFeaturesError),  # told below, for its clip
      tqdm(total=total, desc="features", unit=" media", disable=None) as bar,
    ):
      for _ in extractor.extract(clips):
        bar.update()
    for clip in clips:
      yield clip, _collect(extractor, clip)


def check_installed() -> None:
  """Checks that the packages that read raw media are there.

  Raises:
    InputError: some are not; all of them are named.
  """
  absent = [name for name in _NEEDED if not importlib.util.find_spec(name)]
  if absent:
    raise InputError(
      f"Raw media need the exporter; {', '.join(absent)} not installed. "
      'Install it: pip install ".[export]"'
    )


def read_settings(path: Path) -> dict:
  """The "audio" and "video" settings of a run, not yet checked.

  Raises:
    InputError: the file holds no JSON.
  """
  try:
    return parse_json(path.read_text(encoding="utf-8"))
  except ValueError as error:
    raise InputError(
      f"{path}: expected JSON with the audio and video settings of a dataset, "
      f"found {error}. Correct --settings."
    ) from error


def open_workers(settings: ExtractionSettings, jobs: int) -> Workers:
  """The processes that `extract_clips` has extract media, `jobs` of them."""
  return Workers(settings, jobs, _CLIP_SECONDS)


def extract_clips(
  manifest: Path,
  root: Path,
  settings: ExtractionSettings,
  out: Path,
  workers: Workers,
) -> None:
  """Extracts everything; rows.jsonl is written last, when all is there.

  Args:
    manifest: JSON lines, a clip each.
    root: folder that the paths in it are relative to.
    settings: how features are made.
    out: empty folder for the features.
    workers: from `open_workers`, with the same settings.

  Raises:
    InputError: a user's mistake that concerns all rows.
  """
  answers, clips = read_clips(manifest, root)
  for clip, extraction in _extract([*clips.values()], settings, workers):
    answer = answers[int(clip.id)]
    if isinstance(extraction, LostFeaturesError):
      answer["error"] = "a media file changed while it was read; try again"
      continue
    name = f"{clip.id}.npz"
    np.savez(
      out / name,
      audio=extraction.audio.values,
      video=extraction.video.values,
    )
    answer |= {"features": name, "notes": _notes(extraction)}
  digest = hash_settings(settings.describe())
  lines = [json.dumps({"settings_sha256": digest}), *map(json.dumps, answers)]
  (out / ROWS_FILE).write_text("\n".join(lines) + "\n")
