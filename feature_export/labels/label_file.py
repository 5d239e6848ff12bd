"""The label file FILE.jsonl, and FILE.meta.json that says how it was made."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from feature_export.corpora.schemes import POLARITIES
from feature_export.corpora.utterance import SPLITS
from feature_export.labels.completion import INTENSITY
from feature_export.labels.label_mixture import LabelMixture
from feature_export.labels.training_sentences import sentences_file
from unimse_cli.storage import is_remote, write_object


def _count_empty(rows: Sequence[dict], slots: Sequence[str]) -> dict[str, int]:
  """Slot -> number of labels left empty, as no donor had their polarity."""
  empty = dict.fromkeys(slots, 0)
  for row in rows:
    values = {INTENSITY: row.get(INTENSITY), **row["emotions"]}
    for slot in slots:
      empty[slot] += values[slot] is None
  return empty


def describe(
  mixture: LabelMixture, rows: Sequence[dict], encoder: dict | None, pool: str
) -> dict:
  """The content of the meta file, without the hash of the labels.

  Args:
    mixture: corpora and slots.
    rows: rows of the label file.
    encoder: name and hash of the sentence encoder; None: none was needed.
    pool: splits that donors come from.
  """
  counts = Counter((row["corpus"], row["split"]) for row in rows)
  names = [dataset.name for dataset in mixture.datasets]
  return {
    "corpora": names,
    "slots": {
      "polarity": list(POLARITIES),
      "intensity": INTENSITY in mixture.slots,
      "emotions": {
        name: scheme.polarity for name, scheme in mixture.schemes.items()
      },
    },
    "annotated": {
      dataset.name: list(dataset.annotated) for dataset in mixture.datasets
    },
    "donors": pool,
    "encoder": encoder,
    "datasets": {each.name: each.hashes for each in mixture.datasets},
    "counts": {
      name: {split: counts[name, split] for split in SPLITS} for name in names
    },
    "empty": _count_empty(rows, mixture.slots),
  }


def meta_file(labels: Path) -> Path:
  """The file beside FILE.jsonl: FILE.meta.json."""
  return labels.with_suffix(".meta.json")


def write(
  labels: Path,
  rows: Sequence[dict],
  meta: dict,
  sentences: bytes | None = None,
) -> None:
  """Writes labels, sentences and meta file; each appears whole or not at all.

  The meta file holds the hashes of the others, so files of different runs can
  be told.

  Args:
    labels: FILE.jsonl.
    rows: its rows.
    meta: content of the meta file, without the hashes.
    sentences: content of FILE.sentences.npz; None: none is written.
  """
  content = "".join(json.dumps(row) + "\n" for row in rows).encode()
  meta = {**meta, "labels_sha256": hashlib.sha256(content).hexdigest()}
  files = {labels: content}
  if sentences is not None:
    meta["sentences_sha256"] = hashlib.sha256(sentences).hexdigest()
    files[sentences_file(labels)] = sentences
  files[meta_file(labels)] = json.dumps(meta, indent=2).encode() + b"\n"
  if is_remote(labels):
    for file, data in files.items():
      write_object(file, data)
    return
  labels.parent.mkdir(parents=True, exist_ok=True)
  for file, data in files.items():
    file.with_name(file.name + ".partial").write_bytes(data)
  for file in files:
    os.replace(file.with_name(file.name + ".partial"), file)
