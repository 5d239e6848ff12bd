"""Imports RAVDESS: acted speech, two statements, eight emotions.

Livingstone & Russo 2018. The file name holds everything:
modality-channel-emotion-intensity-statement-repetition-actor. Its "emotional
intensity" is how strongly an emotion is acted, no sentiment intensity.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from feature_export.corpora.schemes import RAVDESS
from feature_export.corpora.utterance import SPLITS, Corpus, Media, Utterance
from feature_export.errors import InputError, list_faults

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


def _parse_range(text: str) -> list[str]:
  """ "01-03" -> ["01", "02", "03"]; "05" -> ["05"].

  Raises:
    ValueError: not of this form.
  """
  first, _, last = text.partition("-")
  numbers = range(int(first), int(last or first) + 1)
  if not numbers:
    raise ValueError(f"{text!r} is an empty range")
  return [f"{number:02d}" for number in numbers]


def parse_split_actors(text: str) -> dict[str, str]:
  """Reads "train=01-04+07,validation=05,test=06" into actor -> split.

  Raises:
    InputError: another form, an unknown split, an actor named twice.
  """
  expected = (
    '--split_actors: expected the form "train=01-04+07,validation=05,test=06"'
  )
  split_of = {}
  for part in text.split(","):
    split, _, ranges = part.strip().partition("=")
    if split not in SPLITS:
      raise InputError(f"{expected}; found the split {split!r}.")
    try:
      actors = [a for each in ranges.split("+") for a in _parse_range(each)]
    except ValueError as error:
      raise InputError(f"{expected}; found {part!r} ({error}).") from error
    twice = sorted(set(actors) & set(split_of))
    if twice:
      raise InputError(f"{expected}; actor {twice[0]} is in two splits.")
    split_of |= dict.fromkeys(actors, split)
  return split_of


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
  faults = [f"actor {each} has files and no split" for each in actors]
  faults = [each for each in faults if each.split()[1] not in split_of]
  faults += [
    f"actor {each} has a split and no files" for each in set(split_of) - actors
  ]
  if faults:
    raise InputError(
      list_faults("--split_actors does not fit the files", sorted(faults))
    )
  return split_of


def _find_clips(raw: Path) -> tuple[dict[str, dict[str, Path]], Counter]:
  """Clip (the last five fields) -> modality -> file, and what was left out."""
  clips: dict[str, dict[str, Path]] = defaultdict(dict)
  left_out = Counter()
  for path in sorted(raw.rglob("*")):
    if path.suffix not in (".wav", ".mp4"):
      continue
    match = _NAME.fullmatch(path.name)
    if match is None:
      left_out["files with another name"] += 1
    elif match[2] != _SPEECH:
      left_out["songs"] += 1
    else:
      # The archives repeat some files in folders of their own.
      clips[match[3]].setdefault(match[1], path)
  return clips, left_out


def _media(files: dict[str, Path], order: Iterable[str]) -> Media | None:
  """The first modality of `order` that a clip has."""
  return next((Media(files[each]) for each in order if each in files), None)


def load(raw: Path, split_actors: str | None = None) -> Corpus:
  """Reads a folder of RAVDESS files, at any depth.

  Args:
    raw: holds `Actor_XX/03-01-06-01-02-01-12.wav` and, if there, the `01-`
      and `02-` videos of the same clips.
    split_actors: "train=01-04,validation=05,test=06"; None: a fixed split
      for the full 24 actors (01-16, 17-20, 21-24) and for actors 01-06
      (01-04, 05, 06).

  Raises:
    InputError: no such files, or actors without a split.
  """
  clips, left_out = _find_clips(raw)
  if not clips:
    raise InputError(
      f"No RAVDESS speech files below {raw}; expected names like "
      "Actor_01/03-01-06-01-02-01-01.wav. Correct --raw."
    )
  split_of = _choose_splits({clip[-2:] for clip in clips}, split_actors)
  utterances = []
  for clip, files in sorted(clips.items()):
    emotion, _, statement, _, actor = clip.split("-")
    utterances.append(
      Utterance(
        id=clip,
        split=split_of[actor],
        text=_STATEMENTS[statement],
        speaker=f"Actor_{actor}",
        audio=_media(files, _AUDIO_ORDER),
        video=_media(files, _VIDEO_ORDER),
        emotion=_EMOTIONS[emotion],
      )
    )
  notes = tuple(f"{count} {what} left out" for what, count in left_out.items())
  return Corpus("ravdess", tuple(utterances), RAVDESS, notes)
