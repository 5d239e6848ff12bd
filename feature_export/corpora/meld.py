"""Imports MELD: the official label files, and the clips that are there.

Poria et al. 2019. Dialogue numbers start again in every split, so an id
holds the split's published name: `train/dia0_utt3`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from feature_export.corpora import registry
from feature_export.corpora.schemes import MELD
from feature_export.corpora.source_files import (
  SourceFiles,
  layout_error,
  naming_layouts,
  read_table,
  repair_text,
)
from feature_export.corpora.utterance import Corpus, Media, Remark, Utterance
from feature_export.errors import InputError, list_faults

# our split -> the published name, and the clip folder of MELD.Raw
_PUBLISHED = {"train": "train", "validation": "dev", "test": "test"}
_CLIP_FOLDERS = {
  "train_splits": "train",
  "dev_splits_complete": "dev",
  "output_repeated_splits_test": "test",
}
# Official clips are .mp4; some copies hold their sound alone, as .wav.
_CLIP_NAME = re.compile(r"(final_videos_test)?(dia\d+_utt\d+)\.(mp4|wav)")
_COLUMNS = (
  *("Utterance", "Speaker", "Emotion", "Sentiment"),
  *("Dialogue_ID", "Utterance_ID"),
)
LAYOUTS = (
  "{train,dev,test}_sent_emo.csv (columns " + ", ".join(_COLUMNS) + "), text "
  "alone",
  "the same, and MELD.Raw unpacked: train_splits/, dev_splits_complete/, "
  "output_repeated_splits_test/ with dia<d>_utt<u>.mp4, each also below "
  "train/, dev/, test/",
)

TWINS = ("plain", "prefer", "ignore")
BAD_CLIPS = ("drop", "keep")

# Reported in declare-lab/MELD, issues 9, 20, 39 and 52.
_LISTED = {
  "train/dia125_utt3": "cannot be decoded (moov atom missing)",
  "train/dia309_utt0": "wrongly cut",
  "train/dia485_utt0": "wrongly cut",
  "train/dia793_utt0": "wrongly cut",
  "test/dia38_utt4": "wrongly cut (5 minutes)",
  "test/dia220_utt0": "wrongly cut (4 minutes)",
}
# Nobody says a sentence in a tenth of a second; the longest plausible turn
# takes 28.5 s.
_SPAN_SECONDS = (0.1, 30.0)
_TIME = re.compile(r"(\d{1,2}):(\d\d):(\d\d)[,.](\d{1,3})")


@dataclass(frozen=True)
class _Clips:
  """The clips of MELD.Raw.

  Attributes:
    chosen: "train/dia0_utt0" -> the file to use, as --twins decides.
    twins: keys of `chosen` whose file is a `final_videos_test` twin.
    unused: remarks on twins that are not used.
  """

  chosen: dict[str, Path] = field(default_factory=dict)
  twins: set[str] = field(default_factory=set)
  unused: list[Remark] = field(default_factory=list)


def _find_label_files(files: SourceFiles) -> dict[str, Path]:
  """Published split name -> label file.

  Raises:
    InputError: with the files that are missing.
  """
  names = {each: f"{each}_sent_emo.csv" for each in _PUBLISHED.values()}
  paths = {split: files.named(name) for split, name in names.items()}
  missing = [names[split] for split, path in paths.items() if path is None]
  if missing:
    raise layout_error(
      "MELD", LAYOUTS, files, f"Missing: {', '.join(missing)}."
    )
  return paths


def _find_clips(files: SourceFiles, twins: str) -> _Clips:
  """Finds the clips in both folder layouts that MELD.Raw is published in."""
  kinds: dict[str, dict[str, Path]] = {"plain": {}, "twin": {}}
  # Sound alone is second to a clip, in whatever folder it is.
  for path in sorted(files.paths, key=lambda path: path.suffix != ".mp4"):
    folder = _CLIP_FOLDERS.get(path.parent.name)
    match = _CLIP_NAME.fullmatch(path.name)
    if folder is not None and match is not None:
      kind = "plain" if match[1] is None else "twin"
      kinds[kind].setdefault(f"{folder}/{match[2]}", path)
  clips = _Clips()
  for key in sorted({**kinds["plain"], **kinds["twin"]}):
    order = ["twin", "plain"] if twins == "prefer" else ["plain", "twin"]
    if twins == "ignore":
      order = ["plain"]
    kind = next((each for each in order if key in kinds[each]), None)
    if kind is not None:
      clips.chosen[key] = kinds[kind][key]
    if kind == "twin":
      clips.twins.add(key)
    elif key in kinds["twin"]:
      name = kinds["twin"][key].name
      clips.unused.append(Remark(key, f"unused: twin (--twins {twins})", name))
  return clips


def _check_archives(files: SourceFiles, clips: _Clips) -> None:
  """Refuses a split whose clips are still packed; it would have text alone.

  Raises:
    InputError: an archive of a split without a clip.
  """
  there = {key.partition("/")[0] for key in clips.chosen}
  packed = [
    str(registry.check_file(path))
    for path in files.archives
    if path.name.partition(".")[0] in set(_PUBLISHED.values()) - there
    or (path.name == "MELD.Raw.tar.gz" and not there)
  ]
  if packed:
    raise InputError(
      list_faults("MELD: archives that are not unpacked", packed)
      + "\nUnpack them where they are; for text alone, move them elsewhere."
    )


def _seconds(text: str | None) -> float | None:
  """`H:MM:SS,mmm` or `HH:MM:SS,mmm` in s, or None."""
  match = _TIME.fullmatch((text or "").strip())
  if match is None:
    return None
  hours, minutes, seconds, milliseconds = match.groups()
  whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
  return whole + int(milliseconds.ljust(3, "0")) / 1000


def _check_span(name: str, row: dict[str, str]) -> list[Remark]:
  """Remarks on a label whose times are too short or too long for a sentence."""
  start, end = _seconds(row.get("StartTime")), _seconds(row.get("EndTime"))
  if start is None or end is None:
    return []
  if _SPAN_SECONDS[0] <= end - start <= _SPAN_SECONDS[1]:
    return []
  low, high = _SPAN_SECONDS
  return [
    Remark(
      name,
      f"doubted: label spans less than {low:g} s or more than {high:g} s",
      f"{end - start:.2f} s",
    )
  ]


def _choose_media(
  name: str, clips: _Clips, bad_clips: str
) -> tuple[Media | None, list[Remark]]:
  """A clip's file; None if there is none, or a bad one that is dropped."""
  path = clips.chosen.get(name)
  if path is None:
    return None, [Remark(name, "text only: no clip")] if clips.chosen else []
  if name in clips.twins:
    kind = "repaired: final_videos_test twin taken"
    return Media(path), [Remark(name, kind, path.name)]
  if name not in _LISTED:
    return Media(path), []
  if bad_clips == "drop":
    return None, [Remark(name, "text only: clip listed as bad", _LISTED[name])]
  return Media(path), [
    Remark(name, "doubted: clip listed as bad", _LISTED[name])
  ]


def _read_row(
  row: dict[str, str], split: str, clips: _Clips, bad_clips: str
) -> tuple[Utterance, list[Remark]]:
  """One label row as an utterance, and what is odd about it.

  Raises:
    ValueError: dialogue or utterance number is no whole number.
    TypeError: likewise, of a row that is too short.
  """
  published = _PUBLISHED[split]
  dialogue, turn = int(row["Dialogue_ID"]), int(row["Utterance_ID"])
  name = f"{published}/dia{dialogue}_utt{turn}"
  media, remarks = _choose_media(name, clips, bad_clips)
  text = repair_text(row["Utterance"])
  if text != row["Utterance"].strip():
    remarks.append(Remark(name, "repaired: Windows-1252 characters"))
  if text.lower() in ("", "nan"):  # pandas writes an empty cell as nan
    remarks.append(Remark(name, "doubted: empty text", text))
  utterance = Utterance(
    id=name,
    split=split,
    text=text,
    dialogue=f"{published}/dia{dialogue}",
    turn=turn,
    speaker=repair_text(row["Speaker"]),
    audio=media,
    video=media if media and media.path.suffix == ".mp4" else None,
    polarity=(row["Sentiment"] or "").strip().lower(),
    emotion=(row["Emotion"] or "").strip().lower(),
  )
  return utterance, remarks + _check_span(name, row)


def _read_labels(
  files: SourceFiles,
  label_files: dict[str, Path],
  clips: _Clips,
  bad_clips: str,
) -> tuple[list[Utterance], list[Remark]]:
  """All rows of the three label files.

  Raises:
    InputError: other columns, no rows, or rows without numbers.
  """
  utterances, remarks, faults = [], [], []
  for split, published in _PUBLISHED.items():
    path = label_files[published]
    with naming_layouts("MELD", LAYOUTS, files):
      rows = read_table(path, _COLUMNS)
    # Rows, not lines: a quoted text may span lines.
    for number, row in enumerate(rows, start=1):
      try:
        utterance, odd = _read_row(row, split, clips, bad_clips)
      except (TypeError, ValueError):
        faults.append(
          f"{path.name} row {number}: Dialogue_ID {row['Dialogue_ID']!r}, "
          f"Utterance_ID {row['Utterance_ID']!r}: expected whole numbers"
        )
        continue
      utterances.append(utterance)
      remarks += odd
  if faults:
    raise InputError(list_faults("MELD's label files have faults", faults))
  return utterances, remarks


def _make_notes(files: SourceFiles, clips: _Clips, twins: str) -> list[str]:
  """Notes on the corpus as a whole, for the export's report."""
  notes = [
    f"registry: {registry.check_file(path)}"
    for path in files.archives
    if path.name == "MELD.Raw.tar.gz"
  ]
  if not clips.chosen:
    return [*notes, "no clips of MELD.Raw found: text only"]
  notes.append(
    f"{len(clips.chosen)} clips of MELD.Raw, {len(clips.twins)} of them "
    f"final_videos_test twins (--twins {twins})"
  )
  sounds = sum(path.suffix == ".wav" for path in clips.chosen.values())
  return [*notes, f"{sounds} of them sound alone (.wav)"] if sounds else notes


def load(raw: Path, twins: str = "plain", bad_clips: str = "drop") -> Corpus:
  """Reads MELD.

  Args:
    raw: folder with {train,dev,test}_sent_emo.csv and perhaps the clip folders
      of MELD.Raw, at any depth.
    twins: use of the 132 `final_videos_test` files: "plain": only where the
      plain clip is missing; "prefer": instead of the plain clip; "ignore":
      never.
    bad_clips: "drop" or "keep", for the media of plain clips that are known to
      be broken or wrongly cut.

  Raises:
    InputError: a label file is missing, empty or not MELD's, or the clips
      are still packed.
  """
  files = SourceFiles(raw)
  label_files = _find_label_files(files)
  clips = _find_clips(files, twins)
  _check_archives(files, clips)
  utterances, remarks = _read_labels(files, label_files, clips, bad_clips)
  labelled = {each.id for each in utterances}
  remarks += [
    Remark(name, "unused: clip without a label row")
    for name in clips.chosen
    if name not in labelled
  ]
  return Corpus(
    "meld",
    tuple(utterances),
    MELD,
    tuple(_make_notes(files, clips, twins)),
    tuple(remarks + clips.unused),
  )
