"""Imports the UniMSE authors' pickles: feature files and sample files.

Sample files (`unimse_samples.py`) hold everything. Feature files,
`<corpus>_data_0610.pkl`, hold no words, and MELD's and IEMOCAP's no labels
either: both come from MELD's label files, IEMOCAP's transcriptions, an MMSA
`label.csv` or a manifest, and are joined by id, never by row. Layouts of a
feature file:

- {"train" | "valid" | "test": {"vision", "audio", "labels", "id"}}, arrays
  padded in front (MOSI, MOSEI; also MulT's `*_noalign.pkl`);
- {"audio" | "video": [train, dev, test]}, each {id: array} (MELD, IEMOCAP).

Where a feature file has scores of its own, those of the words must agree: ids
that count segments from 0 meet other words than their own otherwise.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from feature_export.corpora import iemocap, manifest, meld
from feature_export.corpora.mmsa_pickles import SPLIT_KEYS, structure_faults
from feature_export.corpora.pickles import load_pickle, to_text
from feature_export.corpora.schemes import IEMOCAP, MELD
from feature_export.corpora.source_files import read_table
from feature_export.corpora.stored import FeatureCleaner
from feature_export.corpora.unimse_samples import (
  ORDER_NOTE,
  SampleReader,
  leave_out_unknown_polarity,
  match_sample_file,
)
from feature_export.corpora.utterance import (
  SPLITS,
  Corpus,
  Remark,
  StoredSettings,
  Utterance,
)
from feature_export.errors import InputError, list_faults
from feature_export.files import hash_file

_SCHEMES = {"meld": MELD, "iemocap": IEMOCAP}
_CORPORA = ("iemocap", "meld", "mosei", "mosi")
_LABEL_FILE = "label.csv"
# Files that the words of a feature file may come from.
_TEXTS = {
  "iemocap": "IEMOCAP_full_release (dialog/EmoEvaluation and "
  "dialog/transcriptions of each session)",
  "meld": "MELD's label files (*_sent_emo.csv)",
  "mosei": f"MMSA's {_LABEL_FILE}",
  "mosi": f"MMSA's {_LABEL_FILE}",
}
_ARRAYS = ("vision", "audio", "labels", "id")
_LABEL_TOLERANCE = 1e-3  # scores are rounded to some decimals, or float32
_LABEL_FAULTS = 0.01  # share that may differ: corrections of a version
# (split, id) -> modality -> array
_Features = dict[tuple[str, str], dict[str, object]]
# (split, id) -> score
_Labels = dict[tuple[str, str], float]


def _id_fields(identifier: object) -> np.ndarray:
  """The parts of a row's id, the first of which is "video_clip"."""
  return np.ravel(np.asarray(identifier, object))


def _read_array_form(content: Mapping, path: Path) -> _Features:
  """The features of MOSI or MOSEI, by split and "video_clip".

  Raises:
    InputError: not this layout, or ids that are intervals.
  """
  faults = structure_faults(content, _ARRAYS)
  if faults:
    raise InputError(list_faults(f"{path} is not a feature file", faults))
  features: _Features = {}
  for split, key in SPLIT_KEYS.items():
    part = content[key]
    for row, identifier in enumerate(part["id"]):
      fields = _id_fields(identifier)
      if len(fields) > 1 and isinstance(identifier, np.ndarray | list | tuple):
        raise InputError(
          f"{path}: expected ids of the form video_clip, found "
          f"{list(map(to_text, fields))}: a video and an interval. Words "
          "cannot be joined to it by id; use MMSA's files, which hold them."
        )
      features[split, to_text(fields[0])] = {
        "audio": part["audio"][row],
        "video": part["vision"][row],
      }
  return features


def _read_labels(content: Mapping) -> tuple[_Labels, list[str]]:
  """The scores of an array form, and the splits that have none.

  Those have labels that are not one floating-point number a row: classes, or
  several to a row.
  """
  labels: _Labels = {}
  without = []
  for split, key in SPLIT_KEYS.items():
    part = content[key]
    try:
      values = np.asarray(part["labels"])
    except ValueError:  # rows of several lengths
      values = np.zeros(0)
    if values.dtype.kind != "f" or values.size != len(part["id"]):
      without.append(split)
      continue
    for identifier, value in zip(part["id"], values.ravel(), strict=True):
      labels[split, to_text(_id_fields(identifier)[0])] = float(value)
  return labels, without


def _compare_labels(
  utterances: Sequence[Utterance], labels: _Labels, name: str, path: Path
) -> list[Remark]:
  """Compares the words' scores with those of the features of the same id.

  Returns:
    A remark for each that differs, where they are few.

  Raises:
    InputError: more than 1 % of them differ.
  """
  compared, remarks = 0, []
  for each in utterances:
    label = labels.get((each.split, _authors_id(each, name)), math.nan)
    if each.intensity is None or math.isnan(label):
      continue
    compared += 1
    if abs(label - each.intensity) > _LABEL_TOLERANCE:
      detail = f"{each.intensity:g}, not {label:g}"
      remarks.append(
        Remark(each.id, "score is not the feature file's: kept", detail)
      )
  if len(remarks) > _LABEL_FAULTS * compared:
    title = (
      f"{path}: expected the scores of the texts to be those that the features "
      f"have under the same id, found others among {compared} compared"
    )
    faults = [f"{each.id}: {each.detail}" for each in remarks]
    raise InputError(
      f"{list_faults(title, faults)}\n"
      "One of them may count a video's segments from 0 and the other from 1. "
      "Give --texts the words and scores that the features were made of."
    )
  return remarks


def _read_dict_form(content: Mapping, path: Path) -> _Features:
  """The features of MELD or IEMOCAP, by split and the authors' id.

  Raises:
    InputError: not this layout.
  """
  features: _Features = {}
  for modality in ("audio", "video"):
    parts = content.get(modality)
    if (
      not isinstance(parts, list | tuple)
      or len(parts) != len(SPLITS)
      or not all(isinstance(part, Mapping) for part in parts)
    ):
      raise InputError(
        f"{path}: expected under {modality!r} a list of three dicts (train, "
        f"dev, test), found {type(parts).__name__}."
      )
    for split, part in zip(SPLITS, parts, strict=True):
      for name, values in part.items():
        features.setdefault((split, to_text(name)), {})[modality] = values
  return features


def read_label_csv(path: Path) -> list[Utterance]:
  """MMSA's label.csv: words and scores of MOSI or MOSEI, by "video_clip".

  Raises:
    InputError: a column is missing, or a row's split or score is no such.
  """
  columns = ("video_id", "clip_id", "text", "label", "mode")
  rows = read_table(path, columns)
  ours = {key: split for split, key in SPLIT_KEYS.items()}
  utterances, faults = [], []
  for number, row in enumerate(rows, start=1):
    try:
      utterances.append(
        Utterance(
          id=f"{row['video_id']}_{row['clip_id']}",
          split=ours[row["mode"].strip()],
          text=row["text"].strip(),
          speaker=row["video_id"],
          intensity=float(row["label"]),
        )
      )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
      faults.append(f"row {number}: {error}")
  if faults:
    raise InputError(list_faults(f"{path} has faults", faults))
  return utterances


def _load_texts(name: str, texts: Path) -> Corpus:
  """Words and labels of a corpus, from whatever a folder or file offers.

  Raises:
    InputError: nothing that this corpus can use.
  """
  if texts.name == _LABEL_FILE or (texts / _LABEL_FILE).is_file():
    path = texts if texts.is_file() else texts / _LABEL_FILE
    return Corpus(name, tuple(read_label_csv(path)), None)
  if name == "meld" and texts.is_dir() and any(texts.rglob("*_sent_emo.csv")):
    return _without_media(meld.load(texts))
  if name == "iemocap" and any(texts.rglob("EmoEvaluation")):
    return _without_media(iemocap.load(texts))
  if texts.is_file() or (texts / manifest.MANIFEST_FILE).is_file():
    return _words_alone(manifest.load(texts, name, _SCHEMES.get(name)))
  raise InputError(
    f"The feature file of {name} holds no words; expected {_TEXTS[name]} or "
    f"{manifest.MANIFEST_FILE} in {texts}, found none. Give the folder or file "
    "with --texts."
  )


def _words_alone(corpus: Corpus) -> Corpus:
  """A corpus whose utterances name no media: features take their place."""
  utterances = (
    replace(each, audio=None, video=None) for each in corpus.utterances
  )
  return replace(corpus, utterances=tuple(utterances))


def _without_media(corpus: Corpus) -> Corpus:
  """A corpus without its media, and without notes and remarks on media."""
  return replace(
    _words_alone(corpus),
    notes=tuple(each for each in corpus.notes if "no files" not in each),
    remarks=tuple(
      each
      for each in corpus.remarks
      if each.kind.startswith(("dropped", "skipped", "missing"))
    ),
  )


def _authors_id(utterance: Utterance, name: str) -> str:
  """The id under which the authors' files hold an utterance."""
  if name == "meld" and "/dia" in utterance.id:
    # "train/dia0_utt3" -> "0_3"
    dialogue, _, turn = utterance.id.partition("/dia")[2].partition("_utt")
    return f"{dialogue}_{turn}"
  return utterance.id.removeprefix(f"{utterance.split}/")


def _join(
  utterances: Sequence[Utterance],
  features: _Features,
  name: str,
  cleaner: FeatureCleaner,
) -> Iterator[Utterance]:
  """Yields the utterances with their features, joined by id.

  Utterances without features, and features without an utterance, are remarked.

  Raises:
    InputError: not one id of the feature file is among the utterances.
  """
  left = dict(features)
  joined = 0
  for each in utterances:
    arrays = left.pop((each.split, _authors_id(each, name)), None)
    if arrays is None:
      if each.labelled:
        cleaner.remarks.append(Remark(each.id, "without features"))
      yield each
      continue
    joined += 1
    yield replace(
      each,
      **{
        modality: cleaner.clean(each.id, modality, values)
        for modality, values in arrays.items()
      },
    )
  if not joined:
    raise InputError(
      f"{name}: no id of the feature file is among the texts; for example "
      f"{next(iter(features), None)} and {utterances[0].id!r}."
    )
  for split, identifier in left:
    cleaner.remarks.append(
      Remark(f"{split}/{identifier}", "features without text: left out")
    )


def _build(
  name: str,
  utterances: list[Utterance],
  cleaner: FeatureCleaner,
  files: list[Path],
) -> Corpus:
  """A corpus of cleaned utterances."""
  fitted, widths = cleaner.finish(utterances)
  if name == "meld":
    fitted, left_out = leave_out_unknown_polarity(fitted)
    cleaner.remarks += left_out
  return Corpus(
    name,
    tuple(fitted),
    _SCHEMES.get(name),
    cleaner.notes(),
    tuple(cleaner.remarks),
    StoredSettings(
      "unimse",
      {path.name: hash_file(path) for path in files},
      widths["audio"],
      widths["video"],
      cleaner.nonfinite,
    ),
  )


def _load_features(path: Path, texts: Path, nonfinite: str) -> Corpus:
  """Reads one feature file and joins it to its words."""
  name = next((each for each in _CORPORA if each in path.name.lower()), None)
  if name is None:
    raise InputError(
      f"{path}: expected a name that holds one of {', '.join(_CORPORA)}, as "
      "the authors' <corpus>_data_0610.pkl, or one of their sample files."
    )
  content = load_pickle(path)
  if not isinstance(content, Mapping):
    raise InputError(
      f"{path}: expected a feature file (a dict), found "
      f"{type(content).__name__}."
    )
  dict_form = "video" in content
  features = (_read_dict_form if dict_form else _read_array_form)(content, path)
  cleaner = FeatureCleaner(nonfinite)
  words = _load_texts(name, texts)
  cleaner.remarks += words.remarks
  notes = words.notes
  if not dict_form:
    labels, without = _read_labels(content)
    cleaner.remarks += _compare_labels(words.utterances, labels, name, path)
    if without:
      notes = (
        *notes,
        f"scores not compared, labels of another kind: {without}",
      )
  joined = list(_join(words.utterances, features, name, cleaner))
  built = _build(name, joined, cleaner, [path])
  return replace(built, notes=(*notes, *built.notes))


def load(raw: Path, texts: Path | None, nonfinite: str) -> list[Corpus]:
  """Reads the authors' files: all sample files, else all feature files.

  Args:
    raw: pickle, or folder that holds some.
    texts: folder or file with the words and labels for feature files; None:
      in or beside `raw`.
    nonfinite: one of `NONFINITE_POLICIES`.

  Raises:
    InputError: no pickle, or one that is not of these layouts.
  """
  paths = [raw] if raw.is_file() else sorted(raw.rglob("*.pkl"))
  if not paths:
    raise InputError(f"No pickle (*.pkl) in {raw} or below. Correct --raw.")
  samples = [path for path in paths if match_sample_file(path)]
  if not samples:
    beside = texts or (raw.parent if raw.is_file() else raw)
    return [_load_features(path, beside, nonfinite) for path in paths]
  reader = SampleReader(nonfinite)
  for path in samples:
    reader.add(path, load_pickle(path), *match_sample_file(path))
  corpora = [
    _build(name, utterances, reader.cleaners[name], reader.files[name])
    for name, utterances in sorted(reader.utterances.items())
  ]
  return [
    replace(each, notes=(*each.notes, ORDER_NOTE))
    if any(utterance.dialogue for utterance in each.utterances)
    else each
    for each in corpora
  ]
