"""Tests of the shards: their order, their number, their bytes."""

import json

import numpy as np
import pytest

from feature_export.records import builder
from feature_export.records.reader import find_dataset, read_records
from feature_export.records.schema import record_features

METADATA = {
  "audio": {"mels": 2},
  "video": {"dimension": 3},
  "counts": {"train": 9, "test": 1},
}
IDS = {"train": [f"u{number}" for number in range(9)], "test": ["u0"]}


def make_record(identifier: str) -> dict:
  values = {
    name: [] if name.startswith(("before", "after")) else ""
    for name in record_features(2, 3)
  }
  return values | {
    "id": identifier,
    "turn": 0,
    "intensity": 0.0,
    "has_intensity": False,
    "audio": np.zeros((50, 2), np.float16),
    "video": np.zeros((0, 3), np.float16),
  }


def write(folder):
  def records_of(ids):
    return map(make_record, ids)

  return builder.write_draft("mine", METADATA, IDS, records_of, folder)


def test_records_come_in_the_order_of_tfds(tmp_path):
  """Datasets of earlier versions, which its writer made, have the same."""
  hashing = pytest.importorskip("tensorflow_datasets.core.hashing")
  made = write(tmp_path)
  found = [each["id"] for each in read_records(made, "train", ["id"])]
  hasher = hashing.Hasher("train")
  assert found == sorted(IDS["train"], key=hasher.hash_key)
  assert found != IDS["train"]


def test_a_large_split_has_several_shards(tmp_path, monkeypatch):
  whole = write(tmp_path / "whole")
  monkeypatch.setattr(builder, "_SHARD_BYTES", 1500)
  cut = write(tmp_path / "cut")
  assert find_dataset(tmp_path / "cut", "mine") == cut
  names = sorted(path.name for path in cut.iterdir())
  assert [name for name in names if "train" in name] == [
    f"mine-train.tfrecord-0000{number}-of-00003" for number in range(3)
  ]
  shards = json.loads((cut / "metadata.json").read_text())["shards"]
  assert [shards[name]["records"] for name in names if "tfrecord" in name] == (
    [1, 3, 3, 3]
  )
  assert b"".join(
    path.read_bytes() for path in sorted(cut.glob("*train*"))
  ) == (next(whole.glob("*train*")).read_bytes())
  fields = ["id", "audio"]
  ours, theirs = (
    [each["id"] for each in read_records(made, "train", fields)]
    for made in (whole, cut)
  )
  assert ours == theirs
