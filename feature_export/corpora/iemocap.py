"""Imports IEMOCAP: two actors in dialogue, five sessions.

Busso et al. 2008. Every turn of a transcription is read, in the order of
time; those without one of the chosen classes are context. Both faces share
the picture, side by side.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_export.corpora.schemes import (
  IEMOCAP,
  IEMOCAP_AGREED,
  EmotionScheme,
)
from feature_export.corpora.source_files import (
  SourceFiles,
  layout_error,
  read_text,
  repair_text,
)
from feature_export.corpora.standard_splits import read_split
from feature_export.corpora.utterance import Corpus, Media, Remark, Utterance

PROTOCOLS = ("paper", "session5")
CLASSES = ("six", "agreed")
LAYOUTS = (
  "IEMOCAP_full_release: Session<n>/dialog/EmoEvaluation/<dialogue>.txt, "
  "Session<n>/dialog/transcriptions/<dialogue>.txt, "
  "Session<n>/dialog/avi/DivX/<dialogue>.avi, "
  "Session<n>/sentences/wav/<dialogue>/<utterance>.wav",
)

_DIALOGUE = re.compile(r"Ses0[1-5][MF]_(?:impro\d{2}[ab]?|script\d{2}_\d[ab]?)")
_TURN = re.compile(rf"({_DIALOGUE.pattern})_([MF])(?:\d{{3}}|XX\d+)")
_LABEL_LINE = re.compile(
  r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\w+)\t(\w{3})\t"
  r"\[(\d+\.\d+), (\d+\.\d+), (\d+\.\d+)\]"
)
_TURN_LINE = re.compile(r"(\S+) \[(\d+\.\d+)-(\d+\.\d+)\]:\s*(.*)")
_EMOTIONS = {
  "neu": "neutral",
  "fru": "frustrated",
  "ang": "anger",
  "sad": "sadness",
  "hap": "joy",
  "exc": "excited",
}
_RARE_EMOTIONS = {
  "sur": "surprise",
  "fea": "fear",
  "dis": "disgust",
  "oth": "other",
}
_TEST_SESSION = "Ses05"
_VALIDATION_SHARE = 0.1  # of the dialogues; the paper holds 12 of 120 out
_DIALOGUES = 151
_MIDDLE_VALENCE = 3.0  # valence is rated from 1 to 5


@dataclass(frozen=True)
class _Label:
  """A label, one line of EmoEvaluation; times in s, mean valence in [1, 5]."""

  start: float
  end: float
  code: str
  valence: float


@dataclass(frozen=True)
class _TranscriptTurn:
  """A turn, one line of a transcription; times in s."""

  name: str
  start: float
  end: float
  text: str


@dataclass(frozen=True)
class _Release:
  """The files of a release: by dialogue, the sentences by utterance."""

  labels: dict[str, Path]
  transcriptions: dict[str, Path]
  videos: dict[str, Path]
  sentences: dict[str, Path]


def _find_release(files: SourceFiles) -> _Release:
  """Finds the label files, transcriptions, videos and sentences.

  Raises:
    InputError: no EmoEvaluation, or no transcriptions.
  """

  def dialogues(parents: tuple[str, ...], suffix: str) -> dict[str, Path]:
    # By the direct parent: EmoEvaluation/Categorical holds namesakes.
    return {
      path.stem: path
      for path in files.paths
      if path.parent.name in parents and path.suffix == suffix
      if _DIALOGUE.fullmatch(path.stem)
    }

  release = _Release(
    labels=dialogues(("EmoEvaluation",), ".txt"),
    transcriptions=dialogues(("transcriptions",), ".txt"),
    videos=dialogues(("DivX",), ".avi"),
    sentences={
      path.stem: path
      for path in files.below("sentences", ".wav")
      if _TURN.fullmatch(path.stem)
    },
  )
  for name in ("labels", "transcriptions"):
    if not getattr(release, name):
      folder = "EmoEvaluation" if name == "labels" else name
      raise layout_error(
        "IEMOCAP", LAYOUTS, files, f"No dialog/{folder}/<dialogue>.txt."
      )
  return release


def _read_labels(
  path: Path,
) -> tuple[dict[str, _Label], list[Remark]]:
  """Utterance -> label; the lines of single raters are skipped."""
  labels, remarks = {}, []
  for number, line in enumerate(read_text(path).split("\n"), start=1):
    line = line.rstrip()
    match = _LABEL_LINE.fullmatch(line)
    if match:
      start, end, name, code, valence = match.groups()[:5]
      label = _Label(float(start), float(end), code, float(valence))
      labels.setdefault(name, label)
    elif line.startswith("["):
      where = f"EmoEvaluation/{path.name} line {number}"
      remarks.append(Remark(where, "skipped: label line of another form"))
  return labels, remarks


def _read_turns(path: Path) -> tuple[list[_TranscriptTurn], list[Remark]]:
  """The turns of one dialogue, in the order of time."""
  turns, remarks, seen = [], [], set()
  for number, line in enumerate(read_text(path).split("\n"), start=1):
    line = line.strip()
    match = _TURN_LINE.fullmatch(line)
    turn = _TURN.fullmatch(match[1]) if match else None
    where = f"transcriptions/{path.name} line {number}"
    if turn is None or turn[1] != path.stem:
      if line:
        remarks.append(
          Remark(where, "skipped: transcription line of another form")
        )
      continue
    if match[1] in seen:
      remarks.append(Remark(where, "skipped: turn transcribed twice", match[1]))
      continue
    seen.add(match[1])
    turns.append(
      _TranscriptTurn(
        match[1], float(match[2]), float(match[3]), repair_text(match[4])
      )
    )
  # Stable, so that equal times keep the order of the file.
  return sorted(turns, key=lambda turn: turn.start), remarks


def split_dialogues(
  dialogues: Iterable[str], protocol: str, seed: int
) -> dict[str, str]:
  """Dialogue -> split; a dialogue that the paper does not list is left out.

  Args:
    dialogues: names of the dialogues whose files exist.
    protocol: "paper": the paper's lists; "session5": session 5 is the test
      split, and a tenth of the other dialogues is drawn for validation.
    seed: random seed of that draw.
  """
  names = sorted(dialogues)
  if protocol == "paper":
    listed = read_split("iemocap")
    return {name: listed[name] for name in names if name in listed}
  split_of = dict.fromkeys(names, "train")
  split_of |= {name: "test" for name in names if name.startswith(_TEST_SESSION)}
  others = [name for name in names if split_of[name] == "train"]
  count = round(_VALIDATION_SHARE * len(others))
  drawn = np.random.default_rng(seed).permutation(others)[:count]
  return split_of | {str(name): "validation" for name in drawn}


def speaker_side(name: str) -> str:
  """The half of the picture where an utterance's speaker sits.

  The actor on the left is the one whose letter the dialogue's name holds
  (true for all 7,532 rows of the paper's authors' table).
  """
  turn = _TURN.fullmatch(name)
  return "left" if turn[2] == turn[1][5] else "right"


def _media(
  name: str, label: _Label, release: _Release
) -> tuple[Media | None, Media | None, list[Remark]]:
  """Finds voice and face of a labelled utterance; says what is missing."""
  remarks = []
  avi = release.videos.get(_TURN.fullmatch(name)[1])
  wav = release.sentences.get(name)
  lasts = label.end > label.start
  if not lasts:
    span = f"{label.start:g} to {label.end:g} s"
    remarks.append(Remark(name, "doubted: no duration, not cut", span))
  cut = (avi, label.start, label.end) if avi is not None and lasts else None
  video = Media(*cut, region=speaker_side(name)) if cut else None
  audio = Media(wav) if wav else Media(*cut) if cut else None
  if not wav and cut:
    remarks.append(Remark(name, "repaired: voice from the dialogue's avi"))
  if audio is None and release.sentences:
    remarks.append(Remark(name, "no audio: no file"))
  if video is None and release.videos:
    remarks.append(Remark(name, "no video: no file"))
  return audio, video, remarks


def _polarity(code: str, valence: float) -> str:
  """The polarity of surprise and other, by rated valence; "" for the rest.

  The scheme fixes the polarity of every other class.
  """
  if code not in ("sur", "oth"):
    return ""
  if valence == _MIDDLE_VALENCE:
    return "neutral"
  return "positive" if valence > _MIDDLE_VALENCE else "negative"


def _read_dialogue(
  dialogue: str, split: str, emotions: dict[str, str], release: _Release
) -> tuple[list[Utterance], list[Remark], Counter]:
  """Reads a dialogue; also counts the turns that are context, by label code."""
  labels, remarks = _read_labels(release.labels[dialogue])
  turns, skipped = _read_turns(release.transcriptions[dialogue])
  remarks += skipped
  utterances, others = [], Counter()
  for position, turn in enumerate(turns):
    values = {}
    label = labels.get(turn.name)
    if label is not None and label.code in emotions:
      audio, video, odd = _media(turn.name, label, release)
      remarks += odd
      values = {
        "audio": audio,
        "video": video,
        "emotion": emotions[label.code],
        "polarity": _polarity(label.code, label.valence),
      }
    else:
      others[label.code if label else "none"] += 1
    utterances.append(
      Utterance(
        id=turn.name,
        split=split,
        text=turn.text,
        dialogue=dialogue,
        turn=position,
        # Session and gender are one actor.
        speaker=turn.name[:5] + _TURN.fullmatch(turn.name)[2],
        **values,
      )
    )
  there = {turn.name for turn in turns}
  remarks += [
    Remark(name, "dropped: label without a transcript", label.code)
    for name, label in labels.items()
    if name not in there
  ]
  return utterances, remarks, others


def _missing_dialogues(
  release: _Release, split_of: dict[str, str]
) -> list[Remark]:
  """Remarks on dialogues with a file missing, or that have no split."""
  remarks = []
  there = {**release.labels, **release.transcriptions}
  for dialogue in sorted({**read_split("iemocap"), **there}):
    if dialogue not in release.labels:
      remarks.append(Remark(dialogue, "missing: dialogue's EmoEvaluation"))
    elif dialogue not in release.transcriptions:
      remarks.append(Remark(dialogue, "missing: dialogue's transcription"))
    elif dialogue not in split_of:
      remarks.append(Remark(dialogue, "dropped: dialogue in no split"))
  return remarks


def _make_notes(
  release: _Release, dialogues: int, protocol: str, others: Counter
) -> tuple[str, ...]:
  """Notes on the corpus as a whole, for the export's report."""
  notes = [
    f"{dialogues} of {_DIALOGUES} dialogues, protocol {protocol}",
    f"turns kept as context, by code: {dict(sorted(others.items()))}",
  ]
  if not release.sentences:
    notes.append("no files in sentences/wav")
  if not release.videos:
    notes.append("no files in dialog/avi/DivX")
  return tuple(notes)


def load(
  raw: Path,
  protocol: str = "paper",
  classes: str = "six",
  seed: int = 0,
) -> Corpus:
  """Reads the full release.

  Args:
    raw: folder with Session1 to Session5, at any depth.
    protocol: "paper" or "session5"; see `split_dialogues`.
    classes: "six": the classes of the paper's Table 6, 7,380 utterances;
      "agreed": all 7,532 that the raters agreed on (Table 1), in ten
      classes; the polarity of surprise and other is then that of the rated
      valence.
    seed: random seed that draws the validation dialogues of "session5".

  Raises:
    InputError: no EmoEvaluation or no transcriptions.
  """
  files = SourceFiles(raw)
  release = _find_release(files)
  scheme: EmotionScheme = IEMOCAP
  emotions = dict(_EMOTIONS)
  if classes == "agreed":
    scheme, emotions = IEMOCAP_AGREED, emotions | _RARE_EMOTIONS
  whole = set(release.labels) & set(release.transcriptions)
  split_of = split_dialogues(whole, protocol, seed)
  utterances, others = [], Counter()
  drawn = f", seed {seed}" if protocol == "session5" else ""
  remarks = _missing_dialogues(release, split_of)
  for dialogue, split in sorted(split_of.items()):
    turns, odd, unlabelled = _read_dialogue(dialogue, split, emotions, release)
    utterances += turns
    remarks += odd
    others += unlabelled
  return Corpus(
    "iemocap",
    tuple(utterances),
    scheme,
    _make_notes(release, len(split_of), f"{protocol}{drawn}", others),
    tuple(remarks),
  )
