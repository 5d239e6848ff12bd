"""Commands whose raw media, datasets and labels lie in a bucket."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from feature_export import export, statistics, universal_labels, verify
from feature_export.extraction import media_copies
from feature_export.labels import labelling
from feature_export.labels.sentences import SentenceEncoder
from unimse_cli import bucket_lock, storage

# An export as users start it, killed before the object that tells a whole
# dataset is written.
_KILLED = """
import os, signal, sys
from feature_export import export
from unimse_cli import storage
upload = storage.upload_tree
def die(source, target, last):
  (source / last).rename(source / "held_back")
  upload(source, target, last)
  os.kill(os.getpid(), signal.SIGKILL)
storage.upload_tree = die
export.main(sys.argv[1:])
"""
_QUICK = ["--jobs", "1", "--frames", "3", "--image_size", "64"]


def flags(raw, out, *more: str) -> list[str]:
  return [
    *("--corpus", "manifest", "--raw", str(raw), "--out", str(out)),
    *(*_QUICK, "--faces", "none", *more),
  ]


def contents(folder) -> dict[str, bytes]:
  """Name below the folder -> content of every file but the report."""
  return {
    path.relative_to(folder).as_posix(): path.read_bytes()
    for path in folder.rglob("*")
    if path.is_file() and path.name != "export_report.json"
  }


def report(out) -> dict:
  return json.loads((out / "mine/1.0.0/export_report.json").read_text())


@pytest.fixture
def raw(raw_corpus, upload) -> str:
  """The address of `raw_corpus` in the bucket."""
  return upload(raw_corpus, "raw/mine")


def test_an_export_gives_the_bytes_of_one_on_a_disk(
  raw, bucket, export_raw, tmp_path, capsys
):
  assert export_raw() == 0
  assert export.main(flags(raw, bucket / "data")) == 0
  assert "broken.wav: audio absent: unreadable" in capsys.readouterr().err
  made = contents(bucket / "data")
  assert made == contents(tmp_path / "data")
  assert len(made) == 6
  local, remote = report(tmp_path / "data"), report(bucket / "data")
  for key in ("splits", "kinds", "findings"):
    assert remote[key] == local[key]
  # Neither drafts nor links that were in use.
  left = [path for path in (tmp_path / "cache").rglob("*") if path.is_dir()]
  assert [path.name for path in left if path.name != "media"] == ["drafts"]
  assert export.main(flags(raw, bucket / "data")) == 2
  assert "Give --overwrite" in capsys.readouterr().err


def test_beam_goes_from_bucket_to_bucket(raw, bucket, export_raw, tmp_path):
  pytest.importorskip("apache_beam", reason="apache-beam is not installed")
  assert export_raw() == 0
  beam = ("--beam_runner", "DirectRunner")
  assert export.main(flags(raw, bucket / "data", *beam)) == 0
  assert contents(bucket / "data") == contents(tmp_path / "data")
  assert (
    report(bucket / "data")["findings"]
    == (report(tmp_path / "data")["findings"])
  )


def test_a_killed_upload_is_no_dataset_and_is_done_again(
  raw, bucket, export_raw, tmp_path, capsys
):
  out = bucket / "data"
  killed = subprocess.run(
    [sys.executable, "-c", _KILLED, *flags(raw, out)],
    capture_output=True,
    text=True,
    timeout=120,
    check=False,
  )
  assert killed.returncode == -signal.SIGKILL, killed.stderr
  assert len(contents(out / "mine")) == 6
  assert verify.main(["--data", str(out)]) == 2
  assert "No exported dataset in gs://" in capsys.readouterr().err
  assert export.main(flags(raw, out)) == 0
  # All five media, though nothing of the first process is on this machine.
  assert report(out)["media_reused"] == 5
  assert export_raw() == 0
  assert contents(out) == contents(tmp_path / "data")


def test_a_replaced_dataset_is_none_until_all_of_the_new_one_is_there(
  raw, bucket, monkeypatch
):
  assert export.main(flags(raw, bucket / "data", "--noaudio")) == 0
  info = bucket / "data/mine/1.0.0/dataset_info.json"
  before = contents(bucket / "data")
  seen = []
  fs = bucket.fs
  put, remove = fs.put_file, fs.rm
  monkeypatch.setattr(
    fs, "put_file", lambda *a: (seen.append(info.exists()), put(*a))
  )
  monkeypatch.setattr(
    fs,
    "rm",
    lambda path, **k: (
      "mine/1.0.0" not in path or seen.append(info.exists()),
      remove(path, **k),
    ),
  )
  again = flags(raw, bucket / "data", "--overwrite")
  assert export.main(again) == 0
  # Before its own removal, that of the others, and each of seven new objects.
  assert seen == [True] + [False] * 8
  after = contents(bucket / "data")
  assert after.keys() == before.keys()
  assert after != before


def test_a_second_export_is_told_who_is_at_work(
  raw, bucket, monkeypatch, capsys
):
  monkeypatch.setattr(bucket_lock, "BEAT", 0.2)
  with bucket_lock.hold(bucket / "data/.incomplete-mine/.lock"):
    assert export.main(flags(raw, bucket / "data")) == 2
  error = capsys.readouterr().err
  assert "Another export of mine to gs://" in error
  assert f"process {os.getpid()} on" in error
  assert not (bucket / "data/mine").exists()


def test_labels_checks_and_counts_of_a_bucket(
  bucket, upload, export_raw, tmp_path, monkeypatch, capsys
):
  toy = SentenceEncoder(
    "toy", "0" * 64, lambda texts: np.array([[len(t), 1] for t in texts])
  )
  monkeypatch.setattr(labelling, "load_encoder", lambda *_: toy)
  assert export_raw() == 0
  upload(tmp_path / "data", "data")
  for out in (tmp_path / "data", bucket / "data"):
    capsys.readouterr()
    data = ["--data", str(out)]
    assert verify.main(data) == 0
    assert "mine: sound, 4 records" in capsys.readouterr().out
    assert statistics.main([*data, "--json", str(out / "counts.json")]) == 0
    labels = ["--corpora", "mine", "--out", str(out / "labels.jsonl")]
    assert universal_labels.main([*data, *labels, "--sentences"]) == 0
    audit = ["--out", str(out / "labels.jsonl"), "--score", str(out / "no.csv")]
    assert universal_labels.main(audit) == 2
    assert "expected a marked sheet" in capsys.readouterr().err
  here, there = contents(tmp_path / "data"), contents(bucket / "data")
  assert here.keys() == there.keys()
  for name in ("counts.json", "labels.jsonl", "labels.meta.json"):
    assert here[name] == there[name]
  meta = json.loads(there["labels.meta.json"])
  # Written last: it tells that the others are whole.
  numbers = {
    name: int(bucket.fs.info((bucket / "data" / name).path)["generation"])
    for name in ("labels.jsonl", "labels.sentences.npz", "labels.meta.json")
  }
  assert max(numbers, key=numbers.get) == "labels.meta.json"
  assert meta["sentences_sha256"]


def test_mistakes_are_one_sentence_each(raw, bucket, capsys):
  out = bucket / "data"
  manifest = storage.user_path(f"{raw}/manifest.jsonl")
  lines = manifest.read_text()
  for row, message in (
    ({"audio": "gone.wav"}, "no such file: gs://"),
    ({"audio": f"{raw}/../no.wav"}, f"no such file: {raw}/../no.wav"),
    ({"audio": "ftp://host/a.wav"}, "gs://BUCKET/PATH or s3://BUCKET/PATH"),
  ):
    row = {"id": "n", "split": "train", "text": "", "emotion": "joy", **row}
    storage.write_object(manifest, (lines + json.dumps(row)).encode())
    assert export.main(flags(raw, out)) == 2
    assert message in capsys.readouterr().err
  assert export.main(flags(f"{raw}/none", out)) == 2
  assert "No raw corpus at gs://" in capsys.readouterr().err
  assert export.main(flags("gs://no-such-bucket-of-ours/raw", out)) == 2
  assert "expected a bucket that can be reached" in capsys.readouterr().err
  storage.write_object(manifest, lines.encode())
  assert export.main(flags(raw, "gs://no-such-bucket-of-ours/data")) == 2
  assert "Correct --out" in capsys.readouterr().err
  demo = ["--corpus", "demo", "--raw", f"{bucket}/demo", "--out", str(out)]
  assert export.main(demo) == 2
  assert "draws its raw media itself" in capsys.readouterr().err
  assert not out.exists()


def test_media_of_another_bucket_path_and_of_this_machine_in_one_manifest(
  raw, raw_corpus, bucket, export_raw, tmp_path
):
  """A local manifest may name objects."""
  assert export_raw() == 0
  rows = [
    json.loads(line)
    for line in (raw_corpus / "manifest.jsonl").read_text().splitlines()
  ]
  for row in rows:
    for key in {"audio", "video"} & row.keys():
      if row["id"] != "v0":
        row[key] = f"{raw}/{row[key]}"
  (raw_corpus / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
  assert export.main(flags(raw_corpus, tmp_path / "again")) == 0
  assert contents(tmp_path / "again") == contents(tmp_path / "data")


def test_a_bucket_that_fails_does_not_make_media_absent(
  raw, bucket, monkeypatch, capsys
):
  """It ends the export, and the next one goes on."""
  media_copies_copy = storage.copy_object

  def refuse(path, target):
    if path.name == "b.wav":
      raise OSError("503 Service Unavailable")
    media_copies_copy(path, target)

  from feature_export.extraction import workers
  from feature_export.extraction.media_extractor import MediaExtractor

  # In this process: a started one would not see the patch.
  def run(self, tasks, store):
    extractor = MediaExtractor(self._settings)
    for task in tasks:
      features = extractor.extract(task.modality, task.media)
      store.save(task.modality, task.media, features)
      yield task, None

  monkeypatch.setattr(workers.Workers, "run", run)
  with monkeypatch.context() as broken:
    broken.setattr(storage, "copy_object", refuse)
    assert export.main(flags(raw, bucket / "data")) == 2
  assert "503 Service Unavailable" in capsys.readouterr().err
  assert not (bucket / "data/mine").exists()
  assert export.main(flags(raw, bucket / "data")) == 0
  assert report(bucket / "data")["splits"]["validation"]["with_audio"] == 1
  assert report(bucket / "data")["media_reused"] > 0


def test_copies_of_media_make_room_for_others(bucket, tmp_path, monkeypatch):
  from feature_export.corpora.utterance import Media

  monkeypatch.setattr(media_copies, "_KEPT_BYTES", 10)
  for name in "abc":
    storage.write_object(bucket / name, name.encode() * 6)
  folder = tmp_path / "cache/media"

  def kept() -> set[bytes]:
    return {
      path.read_bytes()
      for path in folder.iterdir()
      if path.is_file() and path.suffix != ".lock"
    }

  with media_copies.on_this_machine(Media(bucket / "a", 1.0)) as first:
    assert (first.path.name, first.start) == ("a", 1.0)
    with media_copies.on_this_machine(Media(bucket / "b")):
      pass
    assert kept() == {b"b" * 6}
    assert first.path.read_bytes() == b"a" * 6  # still there for its reader
  storage.write_object(bucket / "b", b"new")
  with media_copies.on_this_machine(Media(bucket / "b")) as changed:
    assert changed.path.read_bytes() == b"new"
  with media_copies.on_this_machine(Media(bucket / "none")) as missing:
    assert not missing.path.exists()
  local = Media(tmp_path / "x")
  with media_copies.on_this_machine(local) as same:
    assert same is local


def test_files_of_a_bucket_are_found_as_on_a_disk(bucket, upload, tmp_path):
  from feature_export.corpora.source_files import SourceFiles

  for name in ("b/x.wav", "b/._x.wav", "__MACOSX/b/x.wav", "a.csv", "c/b/y"):
    (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "raw" / name).write_text(name)
  here = SourceFiles(tmp_path / "raw")
  there = SourceFiles(storage.user_path(upload(tmp_path / "raw", "raw")))
  for files in (here, there):
    names = [path.relative_to(files.raw).as_posix() for path in files.paths]
    assert names == ["a.csv", "b/x.wav", "c/b/y"]
    assert [path.name for path in files.below("b")] == ["x.wav", "y"]
    assert files.named("y").read_text() == "c/b/y"
    assert files.describe() == "found 3 files: a.csv, b/x.wav, c/b/y"
