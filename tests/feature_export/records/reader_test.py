"""Tests of writing with the builder and reading without it."""

import json

import numpy as np
import pytest

from feature_export.errors import InputError
from feature_export.records.reader import (
  dataset_dirs,
  find_dataset,
  load_metadata,
  read_records,
)


@pytest.fixture
def dataset(export_raw, tmp_path):
  assert export_raw() == 0
  return find_dataset(tmp_path / "data", "mine")


def test_records_come_back_whole(dataset):
  fields = ["id", "text", "audio", "video", "before", "after", "turn"]
  fields += ["before_speakers", "after_speakers", "dialogue", "speaker"]
  train = {each["id"]: each for each in read_records(dataset, "train", fields)}
  # The turn without a label is context and no record.
  assert set(train) == {"t0", "t1"}
  first, second = train["t0"], train["t1"]
  assert first["audio"].shape == (1 + 8000 // 512, 64)
  assert first["audio"].dtype == np.float16
  assert first["video"].shape == (3, 1280)
  assert first["after"] == ["oh", "well"]
  assert first["after_speakers"] == ["B", "A"]
  assert (second["before"], second["after"]) == (["hello"], ["well"])
  assert (second["turn"], second["speaker"], second["dialogue"]) == (
    2,
    "B",
    "d",
  )
  # Broken media are absent, not zeros.
  assert second["audio"].shape == (0, 64)
  assert second["video"].shape == (0, 1280)


def test_labels_come_back_as_python_values(dataset):
  fields = ["polarity", "intensity", "has_intensity", "emotion", "text"]
  (validation,) = read_records(dataset, "validation", fields)
  assert validation == {
    "polarity": "negative",
    "intensity": -1.5,
    "has_intensity": True,
    "emotion": "",
    "text": "so",
  }
  (test,) = read_records(dataset, "test", fields)
  assert test["text"] == "d\u00e9j\u00e0 vu \U0001f600"
  assert (test["polarity"], test["has_intensity"]) == ("negative", False)


def test_metadata_and_report(dataset):
  metadata = load_metadata(dataset)
  assert metadata["counts"] == {"train": 2, "validation": 1, "test": 1}
  assert metadata["video"]["frames"] == 3
  assert sorted(metadata["shards"]) == sorted(
    path.name for path in dataset.glob("*.tfrecord-*")
  )
  report = json.loads((dataset / "export_report.json").read_text())
  assert report["context_only"] == 1
  assert report["splits"]["train"] == {
    "clips": 2,
    "with_audio": 1,
    "with_video": 1,
  }
  assert [(each["id"], each["modality"]) for each in report["findings"]] == [
    ("t1", "audio"),
    ("t1", "video"),
  ]


def test_unknown_field_and_missing_datasets(dataset, tmp_path):
  with pytest.raises(InputError, match="No field voice"):
    list(read_records(dataset, "train", ["voice"]))
  with pytest.raises(InputError, match="No dataset 'other'.*found: mine"):
    find_dataset(tmp_path / "data", "other")
  with pytest.raises(InputError, match="No data folder"):
    dataset_dirs(tmp_path / "gone")
  with pytest.raises(InputError, match="No exported dataset"):
    dataset_dirs(tmp_path / "raw")
  with pytest.raises(InputError, match="No exported dataset"):
    load_metadata(tmp_path)


def test_damaged_shard_is_one_message(dataset):
  (shard,) = dataset.glob("*train*")
  content = bytearray(shard.read_bytes())
  content[len(content) // 2] ^= 1
  shard.write_bytes(content)
  with pytest.raises(InputError, match="damaged"):
    list(read_records(dataset, "train", ["id"]))
