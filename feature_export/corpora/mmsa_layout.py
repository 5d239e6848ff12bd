"""The layout of MMSA and M-SENA: label.csv and Raw/<video>/<clip>.mp4."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from feature_export.corpora.source_files import SourceFiles, read_table
from feature_export.corpora.utterance import (
  Corpus,
  Media,
  Remark,
  Utterance,
  polarity_of_intensity,
)
from feature_export.errors import InputError

LABEL_FILE = "label.csv"
LAYOUT = (
  "MMSA: label.csv (video_id, clip_id, text, label, annotation, mode; older "
  "copies have label_by, newer ones label_T, label_A, label_V) beside "
  "Raw/<video>/<clip>.mp4"
)

# Both published variants have these; the others are empty for MOSI, MOSEI.
_COLUMNS = ("video_id", "clip_id", "text", "label", "annotation", "mode")
_SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def _doubts(
  name: str, row: Mapping[str, str], score: float, fold: str | None, split: str
) -> list[Remark]:
  """Remarks on contradictions in a row that is taken all the same."""
  doubts = []
  polarity, told = polarity_of_intensity(score), row["annotation"].strip()
  if told and told.lower() != polarity:
    doubts.append(
      Remark(
        name,
        "doubted: annotation contradicts the sign of the label (sign taken)",
        f"{told} and {score:g}",
      )
    )
  if fold != split:
    doubts.append(
      Remark(
        name,
        "doubted: mode differs from the standard fold (mode taken)",
        f"{split}, fold: {fold or 'none'}",
      )
    )
  return doubts


def _key(row: Mapping[str, str | None]) -> tuple[str, str]:
  """Video and clip; a row that was cut short has no clip."""
  return row["video_id"].strip(), (row["clip_id"] or "").strip()


def _parse_row(
  row: Mapping[str, str], folds: Mapping[str, str], media: Media | None
) -> tuple[Utterance | None, list[Remark]]:
  """One row as an utterance, or None where it cannot be one."""
  video, clip = _key(row)
  name = f"{video}_{clip}"
  split = _SPLITS.get((row["mode"] or "").strip())
  try:
    score = float(row["label"])
    if not math.isfinite(score):
      raise ValueError
  except (TypeError, ValueError):
    return None, [
      Remark(name, "dropped: label is no number", repr(row["label"]))
    ]
  if split is None:
    return None, [
      Remark(name, "dropped: mode not train, valid or test", repr(row["mode"]))
    ]
  remarks = _doubts(name, row, score, folds.get(video), split)
  text = (row["text"] or "").strip()
  if not text:
    remarks.append(Remark(name, "doubted: empty text"))
  utterance = Utterance(
    id=name,
    split=split,
    text=text,
    speaker=video,
    audio=media,
    video=media,
    intensity=score,
  )
  return utterance, remarks


_Clips = dict[tuple[str, str], Media]  # (video, clip) -> file


def _find_clips(folder: Path, files: SourceFiles) -> _Clips:
  """The clips below the folder of the label file."""
  return {
    (each.parent.name, each.stem): Media(each)
    for each in files.below("Raw", ".mp4")
    if each.is_relative_to(folder)
  }


def _clip_remarks(
  clips: _Clips, taken: set[tuple[str, str]], utterances: Iterable[Utterance]
) -> list[Remark]:
  """Remarks on clips without a row, and on rows without a clip.

  The latter only where some rows have one: labels alone are a layout, too.
  """
  remarks = [
    Remark(f"{video}_{clip}", "unused: clip without a row in label.csv")
    for video, clip in sorted(set(clips) - taken)
  ]
  if clips:
    remarks += [
      Remark(each.id, "text only: no clip")
      for each in utterances
      if each.video is None
    ]
  return remarks


def load(
  name: str, path: Path, files: SourceFiles, folds: Mapping[str, str]
) -> Corpus:
  """Reads MOSI or MOSEI in MMSA's layout; its `mode` is the split.

  Args:
    name: corpus name, "mosi" or "mosei".
    path: label.csv.
    files: all files at and below --raw.
    folds: video -> split of the standard folds; differences are remarked.

  Raises:
    InputError: other columns, no rows, or the rows of another corpus.
  """
  # As strings: ids such as 0012 or -3g5y are no numbers.
  rows = read_table(path, _COLUMNS)
  videos = {row["video_id"].strip() for row in rows}
  if not videos & set(folds):
    raise InputError(
      f"{path}: expected the videos of {name.upper()}; none of its "
      f"{len(videos)} video_ids is in the standard folds ({min(videos)}, "
      "...). Correct --corpus or --raw."
    )
  clips = _find_clips(path.parent, files)
  utterances, remarks, taken = [], [], set()
  for row in rows:
    key = _key(row)
    utterance, doubts = _parse_row(row, folds, clips.get(key))
    remarks += doubts
    taken.add(key)
    if utterance is not None:
      utterances.append(utterance)
  remarks += _clip_remarks(clips, taken, utterances)
  counts = Counter(each.split for each in utterances)
  notes = [f"layout of MMSA: {path.name}, {len(rows)} rows, {dict(counts)}"]
  if not clips:
    notes.append("no clips below Raw/: text only")
  return Corpus(name, tuple(utterances), None, tuple(notes), tuple(remarks))
