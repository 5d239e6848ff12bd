"""Imports MOSEI: monologues from YouTube, a sentiment score per sentence.

Zadeh et al. 2018. The raw release with the SDK's labels, or the layout of
MMSA. Segments count from 0. A label belongs to the transcript line of the
same video and interval; the order of rows differs between copies.
"""

import ast
import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from feature_export.corpora import mmsa_layout, sdk_labels
from feature_export.corpora.monologues import (
  Segment,
  build_corpus,
  find_recordings,
)
from feature_export.corpora.sdk_labels import LabelledSegments
from feature_export.corpora.source_files import (
  SourceFiles,
  layout_error,
  naming_layouts,
  read_text,
  repair_text,
)
from feature_export.corpora.standard_splits import read_split
from feature_export.corpora.utterance import Corpus, Remark

_LABELS = "CMU_MOSEI_Labels.csd"
LAYOUTS = (
  f"raw release: {_LABELS}, Transcript/Segmented/Combined/<video>.txt "
  "(video___clip___start___end___text), Audio/Full/WAV_16000, "
  "Videos/Full/Combined",
  mmsa_layout.LAYOUT,
)

# Both files print the same times, one in decimal, one in binary, here and
# there rounded to hundredths; the shortest sentences last some tenths.
TOLERANCE_SECONDS = 0.02
_MISTIMED = frozenset({"hh04W3xXa5s"})  # CMU-MultimodalSDK, issue 227
_BYTES = re.compile(r"""b(['"]).*\1""", re.DOTALL)


def _unwrap_bytes(text: str) -> str:
  """Turns the printed form of bytes, b'...', into the text they encode."""
  if not _BYTES.fullmatch(text.strip()):
    return text
  try:
    return ast.literal_eval(text.strip()).decode("utf-8", "replace")
  except (ValueError, SyntaxError):
    return text


def _parse_line(line: str) -> Segment:
  """Splits `video___clip___start___end___text`; the text may hold `___`.

  Raises:
    ValueError: another form.
  """
  video, clip, start, end, text = line.split("___", 4)
  times = float(start), float(end)
  if not video or not all(map(math.isfinite, times)):
    raise ValueError(line)
  return Segment(video, int(clip), text, *times)


def _read_transcript(path: Path) -> tuple[list[Segment], list[Remark]]:
  """Reads one file; remarks on lines that are skipped or repaired."""
  content = read_text(path).strip()
  lines, remarks = [], []
  whole = _unwrap_bytes(content)
  if whole != content:
    remarks.append(Remark(path.name, "repaired: file printed as bytes"))
  for number, raw_line in enumerate(whole.split("\n"), start=1):
    text = _unwrap_bytes(raw_line)
    try:
      line = _parse_line(text.strip("\r"))
    except ValueError:
      if text.strip() or not content:
        what = "empty file" if not content else "line of another form"
        remarks.append(Remark(f"{path.name} line {number}", f"skipped: {what}"))
      continue
    said = repair_text(_unwrap_bytes(line.text))
    if text != raw_line or said != repair_text(line.text):
      remarks.append(Remark(line.name, "repaired: text printed as bytes"))
    if said.isdigit():
      remarks.append(Remark(line.name, "doubted: text of digits only", said))
    lines.append(replace(line, text=said))
  return lines, remarks


def _read_transcripts(
  paths: Iterable[Path],
) -> tuple[dict[str, list[Segment]], list[Remark]]:
  """Video -> its lines; a clip that is transcribed twice counts once."""
  by_video: dict[str, list[Segment]] = {}
  remarks, seen = [], set()
  for path in paths:
    lines, odd = _read_transcript(path)
    remarks += odd
    for line in lines:
      if line.name in seen:
        remarks.append(Remark(line.name, "skipped: transcribed twice"))
        continue
      seen.add(line.name)
      by_video.setdefault(line.video, []).append(line)
  return by_video, remarks


def _differences(line: Segment, intervals: np.ndarray) -> np.ndarray:
  """How far a line's times are from each label's.

  Starts below 0 count as 0: some copies set them to 0, some do not.

  Returns:
    float64[N], the larger of the differences of start and end, in s.
  """
  times = np.array([line.start, line.end])
  return np.abs(np.maximum(intervals, 0) - np.maximum(times, 0)).max(axis=1)


def join_video(
  lines: Iterable[Segment], labels: LabelledSegments
) -> tuple[list[Segment], list[Remark]]:
  """Joins one video's transcript with its labels by their intervals.

  Every label goes to at most one line and every line gets at most one label,
  the nearest pairs first, none further apart than `TOLERANCE_SECONDS`.
  """
  lines = list(lines)
  pairs = sorted(
    (difference, place, row)
    for place, line in enumerate(lines)
    for row, difference in enumerate(_differences(line, labels.intervals))
    if difference <= TOLERANCE_SECONDS
  )
  row_of, used = {}, set()
  for _, place, row in pairs:
    if place not in row_of and row not in used:
      row_of[place] = row
      used.add(row)
  segments, remarks = [], []
  for place, line in enumerate(lines):
    if place not in row_of:
      remarks.append(Remark(line.name, "dropped: transcript without a label"))
      continue
    score = float(labels.scores[row_of[place]])
    segments.append(replace(line, score=score))
  video = lines[0].video if lines else ""
  for row, (start, end) in enumerate(labels.intervals):
    if row not in used:
      what = "dropped: label without a transcript"
      remarks.append(Remark(video, what, f"{start:g} to {end:g} s"))
  return segments, remarks


def _join(
  transcripts: dict[str, list[Segment]], labels: dict[str, LabelledSegments]
) -> tuple[list[Segment], list[Remark]]:
  """Joins all videos; remarks on lines and labels without a partner."""
  segments, remarks = [], []
  for video, lines in transcripts.items():
    if video not in labels:
      detail = f"{len(lines)} lines"
      remarks.append(Remark(video, "dropped: video without a label", detail))
      continue
    joined, odd = join_video(lines, labels[video])
    segments += joined
    remarks += odd
    if video in _MISTIMED:
      remarks += [
        Remark(each.name, "doubted: mistimed (SDK issue 227)")
        for each in joined
      ]
  remarks += [
    Remark(
      video,
      "dropped: labelled video without a transcript",
      f"{len(labels[video].scores)} labels",
    )
    for video in labels
    if video not in transcripts
  ]
  return segments, remarks


def _load_release(files: SourceFiles, labels_path: Path) -> Corpus:
  """The raw release."""
  with naming_layouts("MOSEI", LAYOUTS, files):
    labels = sdk_labels.read_labels(labels_path)
  paths = [
    path
    for path in files.below("Segmented", ".txt")
    if "Transcript" in path.relative_to(files.raw).parts
    or path.parent.name == "Combined"
  ]
  transcripts, remarks = _read_transcripts(paths)
  if not transcripts:
    fault = (
      f"{labels_path.name} is there; no line of that form in {len(paths)} "
      "files Segmented/Combined/*.txt."
    )
    raise layout_error("MOSEI", LAYOUTS, files, fault)
  segments, odd = _join(transcripts, labels)
  # The published clips are incomplete: full recordings come first.
  recordings = find_recordings(files, prefer_segments=False)
  note = (
    f"raw release, labels of {labels_path.name} joined by interval within "
    f"{TOLERANCE_SECONDS:g} s"
  )
  return build_corpus("mosei", segments, recordings, remarks + odd, note)


def load(raw: Path) -> Corpus:
  """Reads MOSEI in any of its `LAYOUTS`, with the standard folds.

  Raises:
    InputError: no label file, an empty one, or none of the layouts.
  """
  files = SourceFiles(raw)
  path = files.named(_LABELS)
  if path is not None:
    return _load_release(files, path)
  path = files.named(mmsa_layout.LABEL_FILE)
  if path is None:
    raise layout_error("MOSEI", LAYOUTS, files)
  with naming_layouts("MOSEI", LAYOUTS, files):
    return mmsa_layout.load("mosei", path, files, read_split("mosei"))
