"""Writes a corpus as a TFDS dataset that appears only when it is complete.

The shards are written here: TFDS's own writer serialises an Example, which is
a map, in an order that changes from process to process, and has no setting for
it. What makes them a dataset (dataset_info.json, features.json) is written by
TFDS's public `folder_dataset.write_metadata`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds

from feature_export.files import hash_file, write_whole
from feature_export.records.schema import DATASET_VERSION, record_features

METADATA_FILE = "metadata.json"
REPORT_FILE = "export_report.json"

# Bytes after which a split goes on in another shard.
_SHARD_BYTES = 256 << 20

# ids -> their records, in the same order
RecordsOf = Callable[[Sequence[str]], Iterable[dict]]


def _shuffle(ids: Iterable[str], split: str) -> list[str]:
  """Puts ids into the order that their hashes give, which TFDS uses too."""

  def key(identifier: str) -> bytes:
    return hashlib.md5(f"{split}{identifier}".encode()).digest()

  return sorted(ids, key=key)


def _write_split(
  folder: Path, stem: str, records: Iterable[bytes]
) -> tuple[list[int], int]:
  """Writes the records of a split, into as many shards as their size asks for.

  Args:
    folder: the dataset's folder.
    stem: file name up to ".tfrecord".
    records: serialised records, at least one.

  Returns:
    The number of records in each shard, and the bytes of all records.
  """
  lengths, size, room, writer = [], 0, 0, None
  for record in records:
    if room < len(record):
      if writer is not None:
        writer.close()
      writer = tf.io.TFRecordWriter(str(_part(folder, stem, len(lengths))))
      lengths.append(0)
      room = _SHARD_BYTES
    writer.write(record)
    lengths[-1] += 1
    size += len(record)
    room -= len(record)
  writer.close()
  count = len(lengths)
  for number in range(count):
    name = f"{stem}.tfrecord-{number:05d}-of-{count:05d}"
    _part(folder, stem, number).rename(folder / name)
  return lengths, size


def _part(folder: Path, stem: str, number: int) -> Path:
  """A shard while it is not known how many there will be."""
  return folder / f"{stem}.part-{number:05d}"


def _serialize(features: tfds.features.FeaturesDict, record: dict) -> bytes:
  """A record as the bytes of an Example, its fields in one order."""
  example = tf.train.Example.FromString(features.serialize_example(record))
  return example.SerializeToString(deterministic=True)


def _describe_shards(made: Path, splits: Sequence[tfds.core.SplitInfo]) -> dict:
  """File name -> sha256 and number of records, for every shard."""
  return {
    path.name: {"sha256": hash_file(path), "records": records}
    for split in splits
    for path, records in zip(
      sorted(made.glob(f"*-{split.name}.tfrecord-*")),
      split.shard_lengths,
      strict=True,
    )
  }


def write_json(path: Path, content: dict) -> None:
  """Writes JSON that people can read, too."""
  write_whole(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def dataset_path(out: Path, name: str) -> Path:
  """Where the dataset of a corpus lies: DATA_DIR/<corpus>/<version>."""
  return out / name / DATASET_VERSION


def write_draft(
  name: str,
  metadata: dict,
  ids: Mapping[str, Sequence[str]],
  records_of: RecordsOf,
  folder: Path,
) -> Path:
  """Writes shards, and metadata with their hashes, into a folder.

  Args:
    name: corpus name.
    metadata: metadata from `build_metadata`.
    ids: split -> ids of its records, at least one.
    records_of: function: ids -> their records.
    folder: folder on this machine; it does not exist yet.

  Returns:
    The dataset's folder, below it.
  """
  made = dataset_path(folder, name)
  made.mkdir(parents=True)
  features = record_features(
    metadata["audio"]["mels"], metadata["video"]["dimension"]
  )
  splits = []
  for split, of_split in ids.items():
    records = records_of(_shuffle(of_split, split))
    lengths, size = _write_split(
      made,
      f"{name}-{split}",
      (_serialize(features, record) for record in records),
    )
    splits.append(
      tfds.core.SplitInfo(name=split, shard_lengths=lengths, num_bytes=size)
    )
  shards = _describe_shards(made, splits)
  write_json(made / METADATA_FILE, {**metadata, "shards": shards})
  tfds.folder_dataset.write_metadata(
    data_dir=made, features=features, split_infos=splits, check_data=False
  )
  return made
