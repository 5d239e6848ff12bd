"""What MOSI and MOSEI share: segments of one speaker's recordings.

A segment's media is a published clip of its own, `<video>_<n>`, or the
stretch of the full recording, `<video>`, between its start and end.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from feature_export.corpora.source_files import SourceFiles, first_media
from feature_export.corpora.standard_splits import read_split
from feature_export.corpora.utterance import Corpus, Media, Remark, Utterance

_LONG_SECONDS = 60.0  # twelve of MOSEI's segments are longer


@dataclass(frozen=True)
class Segment:
  """One sentence of a recording, with its label once that is joined.

  Attributes:
    video: id of the recording.
    number: segment number, as published.
    text: words said.
    start: s in the full recording.
    end: s in the full recording.
    score: sentiment in [-3, 3]; NaN: no label.
  """

  video: str
  number: int
  text: str
  start: float
  end: float
  score: float = math.nan

  @property
  def name(self) -> str:
    """The id of the utterance."""
    return f"{self.video}_{self.number}"


@dataclass(frozen=True)
class Recordings:
  """Files by name: clips `<video>_<n>`, full recordings `<video>`.

  Attributes:
    clips: suffix -> name -> file, of the folders called Segmented.
    full: suffix -> name -> file, of the folders called Full.
    prefer_segments: True: published clips are taken rather than stretches cut
      from the full recordings.
  """

  clips: dict[str, dict[str, Path]]
  full: dict[str, dict[str, Path]]
  prefer_segments: bool

  def __bool__(self) -> bool:
    return any([*self.clips.values(), *self.full.values()])

  def media(self, segment: Segment, suffixes: Iterable[str]) -> Media | None:
    """The segment's media in the first kind of file that exists.

    Args:
      segment: segment; its times cut a full recording, unless they span
        nothing.
      suffixes: ".wav" or ".mp4", the preferred one first.
    """
    options = []
    for suffix in suffixes:
      whole = (self.clips[suffix].get(segment.name), None, None)
      cut = self.full[suffix].get(segment.video), segment.start, segment.end
      options += [whole, cut] if self.prefer_segments else [cut, whole]
    return first_media(options)


def find_recordings(files: SourceFiles, prefer_segments: bool) -> Recordings:
  """Looks up wav and mp4 files below folders called Segmented and Full."""

  def by_name(folder: str) -> dict[str, dict[str, Path]]:
    return {
      suffix: {path.stem: path for path in files.below(folder, suffix)}
      for suffix in (".wav", ".mp4")
    }

  return Recordings(by_name("Segmented"), by_name("Full"), prefer_segments)


def _check_times(segment: Segment) -> tuple[Segment, list[Remark]]:
  """Sets a negative start to 0 s, and remarks on odd times and texts."""
  remarks = []
  if segment.start < 0:
    remarks.append(
      Remark(
        segment.name,
        "repaired: negative start set to 0 s",
        f"{segment.start:g} s",
      )
    )
    segment = replace(segment, start=0.0)
  seconds = segment.end - segment.start
  if not seconds > 0:
    span = f"{segment.start:g} to {segment.end:g} s"
    remarks.append(Remark(segment.name, "doubted: no duration, not cut", span))
  elif seconds > _LONG_SECONDS:
    remarks.append(
      Remark(
        segment.name,
        f"doubted: longer than {_LONG_SECONDS:g} s",
        f"{seconds:.1f} s",
      )
    )
  if not segment.text:
    remarks.append(Remark(segment.name, "doubted: empty text"))
  return segment, remarks


def _media_remarks(utterance: Utterance, prefer_segments: bool) -> list[Remark]:
  """Remarks on media that are missing, or not of the preferred kind."""
  remarks = []
  for modality in ("audio", "video"):
    media = getattr(utterance, modality)
    if media is None:
      remarks.append(Remark(utterance.id, f"no {modality}: no file"))
      continue
    whole = media.start is None
    if whole != prefer_segments:
      source = "the published clip" if whole else "the full recording"
      kind = f"repaired: {modality} from {source}"
      remarks.append(Remark(utterance.id, kind, media.path.name))
  return remarks


def _utterance(
  segment: Segment, split: str, recordings: Recordings
) -> Utterance:
  return Utterance(
    id=segment.name,
    split=split,
    text=segment.text,
    speaker=segment.video,
    # The sound track of a video serves where there is no wav file.
    audio=recordings.media(segment, (".wav", ".mp4")),
    video=recordings.media(segment, (".mp4",)),
    intensity=segment.score,
  )


def build_corpus(
  name: str,
  segments: Iterable[Segment],
  recordings: Recordings,
  remarks: Iterable[Remark],
  note: str,
) -> Corpus:
  """Gives every segment its split and its media.

  Args:
    name: corpus name, "mosi" or "mosei".
    segments: sentences with text and score.
    recordings: media files that exist.
    remarks: remarks on rows that are already left out.
    note: layout and label file that were read, for the export's report.
  """
  folds, remarks = read_split(name), list(remarks)
  utterances, seen = [], set()
  for segment in segments:
    seen.add(segment.video)
    split = folds.get(segment.video)
    if split is None or not math.isfinite(segment.score):
      why = "video in no standard fold" if split is None else "label not finite"
      remarks.append(Remark(segment.name, f"dropped: {why}"))
      continue
    segment, odd = _check_times(segment)
    utterance = _utterance(segment, split, recordings)
    remarks += odd
    if recordings:
      remarks += _media_remarks(utterance, recordings.prefer_segments)
    utterances.append(utterance)
  remarks += [
    Remark(video, f"missing: video of the {split} fold without a segment")
    for video, split in folds.items()
    if video not in seen
  ]
  counts = Counter(each.split for each in utterances)
  notes = [f"{note}; standard folds: {dict(counts)}"]
  if not recordings:
    notes.append("no wav or mp4 below Segmented/ or Full/: text only")
  return Corpus(name, tuple(utterances), None, tuple(notes), tuple(remarks))
