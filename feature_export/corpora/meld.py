"""Imports MELD: the official label files, and the clips that are there.

Poria et al. 2019. Dialogue numbers start again in every split, so an id
holds the split's published name: `train/dia0_utt3`.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from feature_export.corpora.schemes import MELD
from feature_export.corpora.utterance import Corpus, Media, Utterance
from feature_export.errors import InputError, list_faults

# our split -> the published name, and the clip folder of MELD.Raw
_PUBLISHED = {"train": "train", "validation": "dev", "test": "test"}
_CLIP_FOLDERS = {
  "train_splits": "train",
  "dev_splits_complete": "dev",
  "output_repeated_splits_test": "test",
}
_CLIP_NAME = re.compile(r"(final_videos_test)?(dia\d+_utt\d+)\.mp4")
_COLUMNS = (
  *("Utterance", "Speaker", "Emotion", "Sentiment"),
  *("Dialogue_ID", "Utterance_ID"),
)


def _windows_1252_repairs() -> dict[int, str]:
  """C1 control codes -> the Windows-1252 characters that were meant."""
  repairs = {}
  for code in range(0x80, 0xA0):
    try:
      repairs[code] = bytes([code]).decode("cp1252")
    except UnicodeDecodeError:  # five codes that Windows leaves undefined
      continue
  return repairs


_REPAIRS = _windows_1252_repairs()


def repair_text(text: str) -> str:
  """Turns Windows-1252 bytes that were read as Latin-1 into characters.

  Some copies of the files write apostrophes as U+0092; the official ones
  write U+2019, which this gives too.
  """
  return text.translate(_REPAIRS).strip()


def _read_rows(path: Path) -> list[dict[str, str]]:
  """The rows of one label file.

  Raises:
    InputError: not a CSV of the official columns.
  """
  content = path.read_bytes()
  try:
    text = content.decode("utf-8-sig")
  except UnicodeDecodeError:
    # Latin-1 never fails; `repair_text` mends what it misreads.
    text = content.decode("latin-1")
  reader = csv.DictReader(text.splitlines(keepends=True))
  missing = [each for each in _COLUMNS if each not in (reader.fieldnames or ())]
  if missing:
    raise InputError(
      f"{path}: expected MELD's columns; missing: {', '.join(missing)}. "
      "Use the official label files."
    )
  return list(reader)


def _find_label_files(raw: Path) -> dict[str, Path]:
  """Published split name -> label file, in `raw` or below it.

  Raises:
    InputError: with the files that are missing.
  """
  found, missing = {}, []
  for published in _PUBLISHED.values():
    name = f"{published}_sent_emo.csv"
    paths = sorted(raw.rglob(name), key=lambda path: len(path.parts))
    if paths:
      found[published] = paths[0]
    else:
      missing.append(name)
  if missing:
    raise InputError(
      f"MELD: missing in {raw} and below: {', '.join(missing)}. Get the label "
      "files of MELD, or correct --raw."
    )
  return found


def _find_clips(raw: Path) -> dict[str, Path]:
  """ "train/dia0_utt3" -> file, for both published nestings of MELD.Raw."""
  clips = {}
  for path in sorted(raw.rglob("*.mp4")):
    folder = _CLIP_FOLDERS.get(path.parent.name)
    match = _CLIP_NAME.fullmatch(path.name)
    # "._dia0_utt0.mp4" and the like do not match.
    if folder is None or match is None:
      continue
    key = f"{folder}/{match[2]}"
    # The maintainers say to ignore the prefixed twins; they only stand in
    # where the plain clip is missing.
    if match[1] is None or key not in clips:
      clips[key] = path
  return clips


def _read_split(
  path: Path, split: str, clips: dict[str, Path]
) -> Iterator[Utterance | str]:
  """Yields an utterance per row, or what is wrong with the row."""
  published = _PUBLISHED[split]
  # Rows, not lines: a quoted text may span lines.
  for number, row in enumerate(_read_rows(path), start=1):
    try:
      dialogue, turn = int(row["Dialogue_ID"]), int(row["Utterance_ID"])
    except (TypeError, ValueError):
      yield (
        f"{path.name} row {number}: Dialogue_ID {row['Dialogue_ID']!r}, "
        f"Utterance_ID {row['Utterance_ID']!r}: expected whole numbers"
      )
      continue
    clip = clips.get(f"{published}/dia{dialogue}_utt{turn}")
    media = Media(clip) if clip else None
    yield Utterance(
      id=f"{published}/dia{dialogue}_utt{turn}",
      split=split,
      text=repair_text(row["Utterance"]),
      dialogue=f"{published}/dia{dialogue}",
      turn=turn,
      speaker=repair_text(row["Speaker"]),
      audio=media,
      video=media,
      polarity=row["Sentiment"].strip().lower(),
      emotion=row["Emotion"].strip().lower(),
    )


def _describe_clips(utterances: list[Utterance], found: int) -> tuple[str, ...]:
  """What to say about media: none at all, or the clips that are missing."""
  missing = [each.id for each in utterances if each.video is None]
  if not missing:
    return ()
  if not found:
    return ("no clips of MELD.Raw found: text only",)
  return (list_faults("clips missing, exported as text only", missing),)


def load(raw: Path) -> Corpus:
  """Reads MELD.

  Args:
    raw: holds {train,dev,test}_sent_emo.csv and, if there, the clip folders
      of MELD.Raw, at any depth.

  Raises:
    InputError: a label file is missing or not MELD's.
  """
  files = _find_label_files(raw)
  clips = _find_clips(raw)
  utterances, faults = [], []
  for split, published in _PUBLISHED.items():
    for each in _read_split(files[published], split, clips):
      (faults if isinstance(each, str) else utterances).append(each)
  if faults:
    raise InputError(list_faults("MELD's label files have faults", faults))
  notes = _describe_clips(utterances, len(clips))
  return Corpus("meld", tuple(utterances), MELD, notes)
