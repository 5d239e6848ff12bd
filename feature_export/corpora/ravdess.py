"""Imports RAVDESS: acted speech, two statements, eight emotions.

Livingstone & Russo 2018. The file name holds everything:
modality-channel-emotion-intensity-statement-repetition-actor. Its "emotional
intensity" is how strongly an emotion is acted, no sentiment intensity.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from feature_export.corpora.actor_splits import check_actors, parse_split_actors
from feature_export.corpora.schemes import RAVDESS
from feature_export.corpora.source_files import SourceFiles, layout_error
from feature_export.corpora.utterance import Corpus, Media, Remark, Utterance
from feature_export.errors import InputError

LAYOUTS = (
  "Audio_Speech_Actors_01-24: Actor_01/03-01-06-01-02-01-01.wav, and so on",
  "the same and Video_Speech_Actor_XX: Actor_01/01-01-06-01-02-01-01.mp4 "
  "(with sound) or 02-01-06-01-02-01-01.mp4 (without); either alone will do",
)
CLIPS = 1440  # 60 of each of the 24 actors

_NAME = re.compile(
  r"(0[1-3])-(0[12])-((0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d))\.(wav|mp4)"
)
_EMOTIONS = dict(
  zip(
    (f"0{code}" for code in range(1, 9)),
    (
      *("neutral", "calm", "happy", "sad"),
      *("angry", "fearful", "disgust", "surprised"),
    ),
    strict=True,
  )
)
_STATEMENTS = {
  "01": "Kids are talking by the door",
  "02": "Dogs are sitting by the door",
}
_SPEECH = "01"  # channel 02 is song
# Which modality to take the voice from, and which the face.
_AUDIO_ORDER = ("03", "01")
_VIDEO_ORDER = ("01", "02")

# Odd actors are male, even ones female: every split holds as many of both,
# but for the six actors that fit in a test.
_DEFAULT_SPLITS = {
  24: "train=01-16,validation=17-20,test=21-24",
  6: "train=01-04,validation=05,test=06",
}


def _choose_splits(
  actors: set[str], split_actors: str | None
) -> dict[str, str]:
  """Actor -> split, for every actor that is there.

  Raises:
    InputError: an actor without a split, or no default for these actors.
  """
  if split_actors is None:
    for count, default in _DEFAULT_SPLITS.items():
      if actors == {f"{number:02d}" for number in range(1, count + 1)}:
        return parse_split_actors(default)
    raise InputError(
      f"RAVDESS: found the actors {', '.join(sorted(actors))}; default splits "
      "exist for actors 01-24 and 01-06. Give --split_actors, for example "
      f'"{_DEFAULT_SPLITS[6]}".'
    )
  split_of = parse_split_actors(split_actors)
  check_actors(split_of, actors)
  return split_of


def _find_clips(
  files: SourceFiles,
) -> tuple[dict[str, dict[str, Path]], int, list[Remark]]:
  """Finds the files: clip -> modality -> file.

  A clip is named by the last five fields of its files' names.

  Returns:
    The clips, the number of songs, and remarks on files with other names.
  """
  clips: dict[str, dict[str, Path]] = defaultdict(dict)
  songs, remarks = 0, []
  for path in files.paths:
    if path.suffix.lower() not in (".wav", ".mp4"):
      continue
    match = _NAME.fullmatch(path.name.lower())
    if match is None:
      remarks.append(Remark(path.name, "unused: file with another name"))
    elif match[2] != _SPEECH:
      songs += 1
    else:
      # The archives repeat some files in folders of their own.
      clips[match[3]].setdefault(match[1], path)
  return clips, songs, remarks


def _media_remarks(clips: dict[str, dict[str, Path]]) -> Iterator[Remark]:
  """Yields remarks on clips that lack a file which other clips have."""
  videos = any(set(files) & set(_VIDEO_ORDER) for files in clips.values())
  for clip, files in sorted(clips.items()):
    if videos and not set(files) & set(_VIDEO_ORDER):
      yield Remark(clip, "no video: no file")
    if "03" in files:
      continue
    if "01" in files:
      yield Remark(clip, "repaired: voice from the video")
    else:
      yield Remark(clip, "no audio: no file")


def _media(files: dict[str, Path], order: Iterable[str]) -> Media | None:
  """The file of the first modality in `order` that a clip has."""
  return next((Media(files[each]) for each in order if each in files), None)


def load(raw: Path, split_actors: str | None = None) -> Corpus:
  """Reads a folder of RAVDESS files, at any depth.

  Args:
    raw: folder with `Actor_XX/03-01-06-01-02-01-12.wav` and perhaps the `01-`
      and `02-` videos of the same clips.
    split_actors: actors of each split, "train=01-04,validation=05,test=06";
      None: a fixed split for the full 24 actors (01-16, 17-20, 21-24) and for
      actors 01-06 (01-04, 05, 06).

  Raises:
    InputError: no such files, or actors without a split.
  """
  files = SourceFiles(raw)
  clips, songs, remarks = _find_clips(files)
  if not clips:
    raise layout_error("RAVDESS", LAYOUTS, files)
  split_of = _choose_splits({clip[-2:] for clip in clips}, split_actors)
  utterances = []
  for clip, paths in sorted(clips.items()):
    emotion, _, statement, _, actor = clip.split("-")
    utterances.append(
      Utterance(
        id=clip,
        split=split_of[actor],
        text=_STATEMENTS[statement],
        speaker=f"Actor_{actor}",
        audio=_media(paths, _AUDIO_ORDER),
        video=_media(paths, _VIDEO_ORDER),
        emotion=_EMOTIONS[emotion],
      )
    )
  notes = [f"{len(clips)} clips of speech; all 24 actors have {CLIPS}"]
  if songs:
    notes.append(f"{songs} songs left out")
  remarks += _media_remarks(clips)
  return Corpus(
    "ravdess", tuple(utterances), RAVDESS, tuple(notes), tuple(remarks)
  )
