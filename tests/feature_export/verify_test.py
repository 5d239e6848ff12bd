"""Tests of the verify command: what it says, and its exit status."""

import re
import shutil

import pytest

from feature_export import verify


@pytest.fixture
def dataset(export_raw, tmp_path):
  assert export_raw() == 0
  return tmp_path / "data" / "mine" / "1.0.0"


def test_sound_datasets_pass(dataset, capsys):
  assert verify.main(["--data", str(dataset.parents[1])]) == 0
  printed = capsys.readouterr().out
  assert re.fullmatch(
    r"mine: sound, 4 records, \d+\.\d MB in \d+\.\d s\n", printed
  )


def test_changed_missing_and_extra_shards(dataset, capsys):
  (train,) = dataset.glob("*train*")
  (test,) = dataset.glob("*-test*")
  content = bytearray(train.read_bytes())
  content[-5] ^= 1
  train.write_bytes(content)
  shutil.copy(test, dataset / "extra.tfrecord-00000-of-00001")
  test.unlink()
  assert verify.main(["--data", str(dataset.parents[1])]) == 1
  error = capsys.readouterr().err
  assert f"{train.name}: sha256 differs" in error
  assert f"{test.name}: missing" in error
  assert "extra.tfrecord-00000-of-00001: not in the metadata" in error


@pytest.mark.parametrize(
  "name", ["dataset_info.json", "features.json", "metadata.json"]
)
def test_broken_json(dataset, name):
  (dataset / name).write_text("{")
  assert verify.main(["--data", str(dataset.parents[1])]) == 1


def test_corpora_must_agree_on_settings(dataset, export_raw, capsys):
  assert export_raw("--name", "other", "--max_seconds", "5") == 0
  capsys.readouterr()
  assert verify.main(["--data", str(dataset.parents[1])]) == 1
  error = capsys.readouterr().err
  assert "extraction settings differ (2)" in error


def test_nothing_to_check(tmp_path, capsys):
  assert verify.main(["--data", str(tmp_path)]) == 2
  assert "No exported dataset" in capsys.readouterr().err
