"""Imports MMSA's feature files of MOSI and MOSEI: (un)aligned_50.pkl.

Mao et al. 2022. {"train" | "valid" | "test": {"raw_text", "audio", "vision",
"id", "regression_labels", "audio_lengths", "vision_lengths", ...}}; widths
are read from the file, because they differ between its versions. The lengths
are in unaligned files only; `text` and `text_bert` (BERT vectors) are not
used: the words are in `raw_text`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from feature_export.corpora.pickles import load_pickle, to_text
from feature_export.corpora.registry import FileCheck, check_file
from feature_export.corpora.stored import FeatureCleaner
from feature_export.corpora.utterance import (
  Corpus,
  StoredSettings,
  Utterance,
)
from feature_export.errors import InputError, list_faults

# our split -> the file's
SPLIT_KEYS = {"train": "train", "validation": "valid", "test": "test"}
FILES = ("aligned_50.pkl", "unaligned_50.pkl")
_NEEDED = ("raw_text", "id", "regression_labels")
_MODALITIES = {"audio": "audio", "video": "vision"}  # ours -> the file's
_SMALL_SCALE = 1.0  # largest score of CH-SIMS, whose labels are in [-1, 1]


def _find_file(raw: Path) -> Path:
  """Finds the one feature file at or below --raw.

  Raises:
    InputError: none, or both.
  """
  if raw.is_file():
    return raw
  paths = sorted(path for name in FILES for path in raw.rglob(name))
  if len(paths) == 1:
    return paths[0]
  raise InputError(
    f"MMSA: expected one of {', '.join(FILES)} in {raw}, found "
    f"{', '.join(map(str, paths)) or 'none'}. Give the file itself as --raw."
  )


def _corpus_name(path: Path, check: FileCheck, name: str | None) -> str:
  """The corpus's name: --name, else a known hash's, else the folder's."""
  if name:
    return name
  if check.known:
    return check.known.corpus
  for part in reversed(path.resolve().parts):
    for known in ("mosei", "mosi"):
      if known in part.lower():
        return known
  raise InputError(
    f"{path}: neither its sha256 nor its folder says which corpus it is. Give "
    "--name mosi or --name mosei."
  )


def structure_faults(content: object, needed: tuple[str, ...]) -> list[str]:
  """Lists what is wrong with a dict of splits, each with arrays of one length.

  Args:
    content: unpickled file.
    needed: keys that every split must have.
  """
  if not isinstance(content, Mapping):
    return [f"expected train, valid and test, found {type(content).__name__}"]
  faults = []
  for key in SPLIT_KEYS.values():
    part = content.get(key)
    if not isinstance(part, Mapping):
      faults.append(f"no split {key!r}; found {list(content)[:8]}")
      continue
    missing = [each for each in needed if each not in part]
    if missing:
      faults.append(f"{key}: no {', '.join(missing)}; found {list(part)}")
      continue
    counts = {each: len(part[each]) for each in needed}
    if len(set(counts.values())) > 1:
      faults.append(f"{key}: different numbers of rows: {counts}")
  return faults


def _lengths(part: Mapping, key: str, count: int) -> list[int | None]:
  """The valid frames of each row; None where the file does not say.

  Aligned files do not: all their rows have 50 frames.
  """
  lengths = part.get(key)
  if lengths is None or len(lengths) != count:
    return [None] * count
  return [int(np.ravel(each)[0]) for each in lengths]


def _read_split(
  part: Mapping, split: str, cleaner: FeatureCleaner
) -> Iterator[Utterance]:
  """Yields the utterances of one split, in the file's order."""
  count = len(part["id"])
  lengths = {
    modality: _lengths(part, f"{key}_lengths", count)
    for modality, key in _MODALITIES.items()
    if key in part
  }
  for row in range(count):
    video_id, _, clip = to_text(part["id"][row]).rpartition("$_$")
    name = f"{video_id}_{clip}" if video_id else clip
    yield Utterance(
      id=name,
      split=split,
      text=to_text(part["raw_text"][row]),
      # No dialogue, as from every other layout: the sentences of a monologue
      # are no turns, and UniMSE gives MOSI and MOSEI no context.
      speaker=video_id,
      **{
        modality: cleaner.clean(
          name, modality, part[_MODALITIES[modality]][row], of_rows[row]
        )
        for modality, of_rows in lengths.items()
      },
      intensity=float(np.ravel(part["regression_labels"][row])[0]),
    )


def _load_content(path: Path) -> Mapping:
  """The splits of a feature file.

  Raises:
    InputError: not of this layout.
  """
  content = load_pickle(path)
  present = []
  if isinstance(content, Mapping):
    # Extracted with one modality alone, all splits lack the other.
    present = [
      key
      for key in _MODALITIES.values()
      if any(
        key in part for part in content.values() if isinstance(part, Mapping)
      )
    ]
  needed = present or [*_MODALITIES.values()]
  faults = structure_faults(content, (_NEEDED[0], *needed, *_NEEDED[1:]))
  if faults:
    raise InputError(
      list_faults(f"{path} is not a feature file of MMSA", faults)
    )
  return content


def _make_notes(
  content: Mapping, utterances: Sequence[Utterance]
) -> Iterator[str]:
  """Yields what is odd about the file as a whole."""
  for key in _MODALITIES.values():
    if key not in content["train"]:
      yield f"no {key} in the file: absent throughout"
  if all(abs(each.intensity) <= _SMALL_SCALE for each in utterances):
    yield (
      "doubted: all scores lie in [-1, 1], the scale of CH-SIMS; taken as they "
      "are, on the scale of MOSI, [-3, 3]"
    )


def load(raw: Path, name: str | None, nonfinite: str) -> Corpus:
  """Reads one feature file.

  Args:
    raw: feature file, or folder that holds exactly one of `FILES`.
    name: corpus name; None: mosi or mosei, whichever it is.
    nonfinite: one of `NONFINITE_POLICIES`.

  Raises:
    InputError: no such file, or not of this layout.
  """
  path = _find_file(raw)
  # A file that was renamed is still the published one.
  check = check_file(path, FILES)
  content = _load_content(path)
  cleaner = FeatureCleaner(nonfinite)
  utterances, widths = cleaner.finish(
    each
    for split, key in SPLIT_KEYS.items()
    for each in _read_split(content[key], split, cleaner)
  )
  unaligned = any(
    f"{key}_lengths" in content["train"] for key in _MODALITIES.values()
  )
  return Corpus(
    _corpus_name(path, check, name),
    tuple(utterances),
    None,
    (f"registry: {check}", *cleaner.notes(), *_make_notes(content, utterances)),
    tuple(cleaner.remarks),
    StoredSettings(
      "mmsa_unaligned" if unaligned else "mmsa_aligned",
      {path.name: check.sha256},
      widths["audio"],
      widths["video"],
      nonfinite,
    ),
  )
