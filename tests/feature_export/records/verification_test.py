"""Tests of the check of exported datasets."""

import hashlib
import json
import pathlib
import shutil

import pytest

from feature_export.records import builder, verification
from feature_export.records.reader import load_metadata, read_records
from feature_export.records.schema import record_features


@pytest.fixture
def dataset(export_raw, tmp_path):
  assert export_raw() == 0
  return tmp_path / "data" / "mine" / "1.0.0"


def _verify(dataset) -> str:
  return "\n".join(verification.verify_dataset(dataset))


def _change_metadata(dataset, **changes) -> None:
  path = dataset / "metadata.json"
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_metadata_faults(dataset):
  video = load_metadata(dataset)["video"] | {"frames": 8}
  _change_metadata(dataset, video=video, schema_version=2)
  faults = _verify(dataset)
  assert "settings_sha256 does not belong" in faults
  assert "schema version 2, expected 1" in faults
  (dataset / "metadata.json").write_text("{}")
  assert "lacks schema_version" in _verify(dataset)


def test_foreign_schema(dataset):
  audio = load_metadata(dataset)["audio"] | {"mels": 80}
  _change_metadata(dataset, audio=audio)
  assert "field audio: expected Tensor(shape=(None, 80)" in _verify(dataset)


def test_a_field_that_is_not_there(dataset):
  """Its records cannot be checked, but the files are hashed."""
  path = dataset / "features.json"
  content = json.loads(path.read_text())
  del content["featuresDict"]["features"]["dialogue"]
  path.write_text(json.dumps(content))
  (test,) = dataset.glob("*-test*")
  test.write_bytes(test.read_bytes() + b"x")
  faults = _verify(dataset)
  assert "field dialogue: expected Text" in faults
  assert f"{test.name}: sha256 differs" in faults


def test_faulty_records_are_named(dataset, tmp_path):
  """A dataset written past the gate, as another tool might."""
  metadata = load_metadata(dataset)
  fields = list(record_features(64, 1280))
  records = {
    split: list(read_records(dataset, split, fields))
    for split in metadata["counts"]
  }
  first, second = sorted(records["train"], key=lambda each: each["id"])
  first["audio"] = first["audio"].copy()
  first["audio"][:1] = float("nan")
  first["video"] = first["video"] * 0 + 1
  first["emotion"] = "bored"
  first["before_speakers"] = ["too", "many"]
  second["intensity"] = 0.5
  records["validation"][0] |= {"id": "t1", "dialogue": "d"}
  records["test"][0] |= {"has_intensity": True, "intensity": 2.0}

  # By their place: two of them have one id.
  ids = {
    split: [f"{split}/{at}" for at in range(len(each))]
    for split, each in records.items()
  }

  def records_of(chosen):
    for each in chosen:
      split, _, at = each.partition("/")
      yield records[split][int(at)]

  made = builder.write_draft("mine", metadata, ids, records_of, tmp_path / "a")
  faults = _verify(made)
  for fault in (
    "t0: audio holds NaN",
    "t0: video is one value throughout",
    "t0: emotion 'bored' is not in the scheme",
    "t0: before and before_speakers differ",
    "t1: intensity 0.5 without has_intensity",
    "t1: id in train and again in validation",
    "t1: dialogue d is in validation and in train",
    "e0: polarity 'negative' contradicts the intensity 2.0",
  ):
    assert fault in faults


def test_contexts_must_be_the_neighbouring_turns():
  def turn(number, before, after):
    record = {"id": f"t{number}", "turn": number, "text": f"text {number}"}
    return record | {"before": before, "after": after}

  sound = [
    turn(0, [], ["text 2", "unlabelled", "text 5"]),
    turn(2, ["text 0"], ["unlabelled", "text 5"]),
    turn(5, ["unlabelled", "text 2", "text 0"], []),
  ]
  assert list(verification._context_faults(sound[::-1])) == []
  sound[0]["after"] = ["text 5", "text 2"]
  sound[2]["before"] = ["text 2"]
  assert list(verification._context_faults(sound)) == [
    "t0: after lacks turn 5 of its dialogue (t5), or has it out of order",
    "t5: before lacks turn 0 of its dialogue (t0), or has it out of order",
  ]


def test_truncated_and_copied_shards(dataset):
  (train,) = dataset.glob("*train*")
  (test,) = dataset.glob("*-test*")
  content = train.read_bytes()
  train.write_bytes(content[: len(content) // 2])
  assert f"{train.name}: sha256 differs" in _verify(dataset)
  shutil.copy(test, train)
  assert f"{train.name}: sha256 differs" in _verify(dataset)
  shards = load_metadata(dataset)["shards"]
  shards[train.name] = shards[test.name]
  _change_metadata(dataset, shards=shards)
  assert f"{test.name} and {train.name}: the same content" in _verify(dataset)


def _rewrite(dataset, shard, content: bytes) -> None:
  """Replaces a shard, and its hash, as one who did not want it seen would."""
  shard.write_bytes(content)
  shards = load_metadata(dataset)["shards"]
  shards[shard.name]["sha256"] = hashlib.sha256(content).hexdigest()
  _change_metadata(dataset, shards=shards)


def test_records_that_cannot_be_read_are_named(dataset):
  (train,) = dataset.glob("*train*")
  content = bytearray(train.read_bytes())
  content[12:16] = b"\xff\xff\xff\xff"  # the head of the first record's body
  _rewrite(dataset, train, bytes(content))
  faults = _verify(dataset)
  assert f"{train.name}: record 0 cannot be read" in faults
  assert "read {'train': 1, 'validation': 1, 'test': 1} records" in faults


def test_a_shard_that_ends_inside_a_record(dataset):
  (train,) = dataset.glob("*train*")
  _rewrite(dataset, train, train.read_bytes()[:-7])
  assert f"{train.name}: ends in the middle of a record" in _verify(dataset)


def test_every_byte_is_read_once(dataset, monkeypatch):
  """Hash and records come from the same pass."""
  opened = []
  original = pathlib.Path.open

  def count(self, *arguments, **options):
    if "tfrecord" in self.name:
      opened.append(self.name)
    return original(self, *arguments, **options)

  def refuse(*_, **__):
    raise AssertionError("TensorFlow reads the records again")

  monkeypatch.setattr(pathlib.Path, "open", count)
  import tensorflow_datasets as tfds

  monkeypatch.setattr(tfds.core.DatasetBuilder, "as_dataset", refuse)
  assert _verify(dataset) == ""
  assert sorted(opened) == sorted(each.name for each in dataset.glob("*.tfr*"))
