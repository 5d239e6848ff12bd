"""Tests of the export command: what it writes, and what it refuses."""

import json
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from feature_export import export, verify


def _run(*flags: object) -> int:
  return export.main([str(flag) for flag in flags])


def _shards(data) -> dict[str, bytes]:
  return {
    str(path.relative_to(data)): path.read_bytes()
    for path in data.rglob("*")
    if path.is_file() and path.name != "export_report.json"
  }


def test_two_exports_are_byte_identical(
  export_raw, raw_corpus, tmp_path, capsys
):
  """In another process, and with another number of processes."""
  assert export_raw() == 0
  output = capsys.readouterr()
  assert "mine/train" in output.out
  assert "broken.wav: audio absent: unreadable" in output.err
  command = [sys.executable, "-m", "feature_export.export"]
  command += ["--corpus", "manifest", "--raw", str(raw_corpus)]
  command += ["--out", str(tmp_path / "again"), "--jobs", "2"]
  command += ["--frames", "3", "--image_size", "64"]
  command += ["--faces", "none"]
  subprocess.run(command, check=True, capture_output=True)
  first, again = _shards(tmp_path / "data"), _shards(tmp_path / "again")
  # Three shards and three JSON files, and no folder of work in progress.
  assert len(first) == 6
  assert first == again


def test_tfds_leaves_no_folder_among_the_temporary_files(
  export_raw, tmp_path, monkeypatch
):
  """As it does for each dataset that its own builder writes."""
  (tmp_path / "temporary").mkdir()
  monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
  assert export_raw() == 0
  assert verify.main(["--data", str(tmp_path / "data")]) == 0
  assert list((tmp_path / "temporary").glob("*tfds*")) == []


def test_existing_dataset_is_kept_unless_asked(
  export_raw, raw_corpus, tmp_path, capsys
):
  assert export_raw() == 0
  before = _shards(tmp_path / "data")
  assert export_raw() == 2
  assert "--overwrite" in capsys.readouterr().err
  assert export_raw("--overwrite", "--novideo") == 0
  after = _shards(tmp_path / "data")
  assert before.keys() == after.keys()
  assert before != after
  # A failing replacement keeps the old dataset.
  (raw_corpus / "manifest.jsonl").write_text("{}")
  assert export_raw("--overwrite") == 2
  assert _shards(tmp_path / "data") == after


def test_left_out_modalities_are_absent(export_raw, tmp_path):
  assert export_raw("--noaudio", "--novideo", "--name", "bare") == 0
  report = json.loads(
    (tmp_path / "data" / "bare" / "1.0.0" / "export_report.json").read_text()
  )
  assert report["splits"]["train"]["with_audio"] == 0
  assert report["splits"]["train"]["with_video"] == 0
  assert report["findings"] == []


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"split": "dev"}, "split not one of train, validation, test"),
    ({"emotion": "bored"}, "emotion outside the scheme"),
    ({"intensity": 4}, "intensity outside"),
    ({"id": "t0"}, "duplicate id"),
    ({"id": "v0"}, "the same id in two splits"),
    ({"audio": "gone.wav"}, "no such file"),
    ({"dialogue": "d", "split": "test"}, "dialogue in two splits"),
  ],
)
def test_manifest_faults_write_nothing(
  export_raw, raw_corpus, tmp_path, capsys, change, message
):
  manifest = raw_corpus / "manifest.jsonl"
  row = {"id": "n", "split": "train", "text": "", "emotion": "joy", **change}
  with manifest.open("a") as file:
    file.write(json.dumps(row) + "\n")
  assert export_raw() == 2
  assert message in capsys.readouterr().err
  assert not (tmp_path / "data").exists()


def test_corpus_without_validation(export_raw, raw_corpus, tmp_path, capsys):
  manifest = raw_corpus / "manifest.jsonl"
  lines = manifest.read_text().splitlines()
  manifest.write_text(
    "\n".join(each for each in lines if '"validation"' not in each)
  )
  assert export_raw() == 2
  assert "validation" in capsys.readouterr().err
  assert not (tmp_path / "data").exists()


def test_wrong_flags_and_folders(tmp_path, capsys):
  out = ("--out", tmp_path / "data")
  for corpus in ("manifest", "meld", "ravdess"):
    assert _run("--corpus", corpus, "--raw", tmp_path / "gone", *out) == 2
    assert "No raw corpus at" in capsys.readouterr().err
    (tmp_path / "empty").mkdir(exist_ok=True)
    assert _run("--corpus", corpus, "--raw", tmp_path / "empty", *out) == 2
    assert "is empty" in capsys.readouterr().err
  raw = ("--raw", tmp_path)
  flags = ("--frames", "33", "--jobs", "0", "--scheme", "meld")
  assert _run("--corpus", "ravdess", *raw, *out, *flags) == 2
  error = capsys.readouterr().err
  assert "--frames must be in [1, 32], found 33" in error
  assert "--jobs must be" in error
  assert "--scheme goes with --corpus manifest only" in error
  assert _run("--corpus", "mosy", *raw, *out) == 2
  assert "--corpus=mosy: value should be one of" in capsys.readouterr().err
  assert not (tmp_path / "data").exists()


def test_a_speaking_face_needs_a_detector(export_raw, tmp_path, capsys):
  assert export_raw("--faces_choice", "speaking") == 2
  assert "expected --faces haar or yunet" in capsys.readouterr().err
  assert not (tmp_path / "data").exists()


def test_names_and_schemes_are_checked(export_raw, tmp_path, capsys):
  assert export_raw("--name", "My Set") == 2
  assert "cannot name a dataset" in capsys.readouterr().err
  assert export_raw("--scheme", "mled") == 2
  assert "expected one of cremad, iemocap, meld" in capsys.readouterr().err
  assert export_raw("--scheme", "iemocap") == 2
  assert "t1: 'fear'" in capsys.readouterr().err
  assert export_raw("--backbone", "timm:tf_efficientnet_b0") == 2
  assert "needs --backbone_weights" in capsys.readouterr().err
  assert not (tmp_path / "data").exists()


def test_unwritable_output_is_one_message(export_raw, tmp_path, capsys):
  (tmp_path / "data").write_text("a file, no folder")
  assert export_raw() == 2
  assert "Correct --out" in capsys.readouterr().err


def test_killed_export_leaves_nothing_that_looks_whole(
  raw_corpus, tmp_path, write_manifest
):
  """SIGKILL in the middle, then the same command again."""
  rows = [
    {"id": f"u{number}", "split": split, "text": "", "intensity": 1}
    | {"audio": "a.wav"}
    for number, split in enumerate(["train"] * 3000 + ["validation"])
  ]
  write_manifest(raw_corpus, rows)
  flags = ["--corpus", "manifest", "--raw", str(raw_corpus)]
  flags += ["--out", str(tmp_path / "data"), "--jobs", "2"]
  process = subprocess.Popen(
    [sys.executable, "-m", "feature_export.export", *flags],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
  )
  # The draft of the dataset is there: records are being written.
  while not list((tmp_path / "data").glob(".incomplete*/**/*")):
    assert process.poll() is None, "the export ended by itself"
    time.sleep(0.05)
  process.send_signal(signal.SIGKILL)
  # The extraction processes share the pipe: it closes when the last one has
  # ended, which they do with their parent.
  process.communicate(timeout=30)
  assert not (tmp_path / "data" / "mine").exists()
  assert _run(*flags, "--noaudio") == 0
  assert [path.name for path in (tmp_path / "data").iterdir()] == ["mine"]
