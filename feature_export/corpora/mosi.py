"""Imports MOSI: monologues from YouTube, a sentiment score per sentence.

Zadeh et al. 2016. The raw release of CMU, with its own labels or those of
the SDK, or the layout of MMSA. Segments count from 1. Texts stay in capital
letters, as published: the training config lower-cases them.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from feature_export.corpora import mmsa_layout, sdk_labels
from feature_export.corpora.monologues import (
  Segment,
  build_corpus,
  find_recordings,
)
from feature_export.corpora.source_files import (
  SourceFiles,
  layout_error,
  naming_layouts,
  read_rows,
  read_text,
  repair_text,
)
from feature_export.corpora.standard_splits import read_split
from feature_export.corpora.utterance import Corpus, Remark

_LABELS = "OpinionLevelSentiment.csv"
_SDK_LABELS = "CMU_MOSI_Opinion_Labels.csd"
LAYOUTS = (
  f"raw release: Labels/{_LABELS} (start,end,video,segment,score; no header), "
  "Transcript/Segmented/<video>.annotprocessed, Audio/WAV_16000, Video",
  f"raw release with the SDK's labels: {_SDK_LABELS} instead of {_LABELS}",
  mmsa_layout.LAYOUT,
)
_TRANSCRIPT_LINE = re.compile(r"\s*(\d+)_DELIM_(.*)")


# Segments of no duration, of which the SDK has no row: video -> number.
_WITHOUT_ROW = {"2WGyTLYerpo": 44}

# (video, segment) -> its times and score, without its text yet
_Labels = dict[tuple[str, int], Segment]


def _read_csv(path: Path) -> tuple[_Labels, list[Remark]]:
  """(video, segment) -> label, from OpinionLevelSentiment.csv."""
  labels: _Labels = {}
  remarks = []
  for number, row in enumerate(read_rows(path), start=1):
    if not row:
      continue
    try:
      start, end, video, segment, score = row
      key = video.strip(), int(segment)
      label = Segment(*key, "", float(start), float(end), float(score))
    except ValueError:
      remarks.append(
        Remark(
          f"{path.name} row {number}", "skipped: label row of another form"
        )
      )
      continue
    if key in labels:
      name = f"{key[0]}_{key[1]}"
      remarks.append(Remark(name, "skipped: labelled twice (first taken)"))
    labels.setdefault(key, label)
  return labels, remarks


def _read_sdk(path: Path) -> tuple[_Labels, list[Remark]]:
  """(video, row + 1) -> label, from the SDK; `_number_rows` goes on."""
  labels = {
    (video, row + 1): Segment(
      video, row + 1, "", *map(float, interval), float(score)
    )
    for video, segments in sdk_labels.read_labels(path).items()
    for row, (interval, score) in enumerate(
      zip(segments.intervals, segments.scores, strict=True)
    )
  }
  return labels, []


def _number_rows(
  labels: _Labels, texts: Iterable[tuple[str, int]]
) -> tuple[_Labels, list[Remark]]:
  """The SDK's rows by segment: row k is segment k + 1, but behind a hole.

  A video with another number of rows than of sentences is left out: nobody can
  tell which sentence a row is of.
  """
  rows = Counter(video for video, _ in labels)
  sentences = Counter(video for video, _ in texts)
  unclear = {}
  numbered: _Labels = {}
  for (video, number), label in labels.items():
    missing = sentences[video] - rows[video] if sentences[video] else 0
    hole = _WITHOUT_ROW.get(video)
    if missing == 1 and hole:
      number += number >= hole
    elif missing:
      what = f"{rows[video]} labels, {sentences[video]} sentences"
      unclear[video] = Remark(video, "dropped: rows are not sentences", what)
      continue
    numbered[video, number] = replace(label, number=number)
  return numbered, [*unclear.values()]


def _read_transcripts(
  paths: Iterable[Path],
) -> tuple[dict[tuple[str, int], str], list[Remark]]:
  """(video, segment) -> text, from lines such as `3_DELIM_AND I LOVED IT`."""
  texts, remarks = {}, []
  for path in paths:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
      match = _TRANSCRIPT_LINE.fullmatch(line.rstrip("\r"))
      if match:
        texts.setdefault((path.stem, int(match[1])), repair_text(match[2]))
      elif line.strip():
        remarks.append(
          Remark(f"{path.name} line {number}", "skipped: line without _DELIM_")
        )
  return texts, remarks


def _load_release(files: SourceFiles, labels_path: Path) -> Corpus:
  """The raw release, with either label file."""
  of_sdk = labels_path.name == _SDK_LABELS
  read = _read_sdk if of_sdk else _read_csv
  with naming_layouts("MOSI", LAYOUTS, files):
    labels, remarks = read(labels_path)
  if not labels:
    raise layout_error("MOSI", LAYOUTS, files, f"{labels_path} has no label.")
  transcripts = files.below("Segmented", ".annotprocessed")
  if not transcripts:
    fault = f"{labels_path.name} is there, Segmented/*.annotprocessed is not."
    raise layout_error("MOSI", LAYOUTS, files, fault)
  texts, skipped = _read_transcripts(transcripts)
  remarks += skipped
  if of_sdk:
    labels, unclear = _number_rows(labels, texts)
    remarks += unclear
  segments = []
  for key, label in labels.items():
    if key not in texts:
      what = "dropped: label without a transcript"
      remarks.append(Remark(label.name, what))
      continue
    segments.append(replace(label, text=texts[key]))
  remarks += [
    Remark(f"{video}_{number}", "dropped: transcript without a label")
    for video, number in sorted(set(texts) - set(labels))
  ]
  # Segments were cut by CMU: the clips as published come first.
  recordings = find_recordings(files, prefer_segments=True)
  note = f"raw release, labels of {labels_path.name}"
  return build_corpus("mosi", segments, recordings, remarks, note)


def load(raw: Path) -> Corpus:
  """Reads MOSI in any of its `LAYOUTS`, with the standard folds.

  Where several label files are there, CMU's own come first, then the SDK's,
  then MMSA's.

  Raises:
    InputError: no label file, an empty one, or none of the layouts.
  """
  files = SourceFiles(raw)
  for name in (_LABELS, _SDK_LABELS):
    path = files.named(name)
    if path is not None:
      return _load_release(files, path)
  path = files.named(mmsa_layout.LABEL_FILE)
  if path is None:
    raise layout_error("MOSI", LAYOUTS, files)
  with naming_layouts("MOSI", LAYOUTS, files):
    return mmsa_layout.load("mosi", path, files, read_split("mosi"))
