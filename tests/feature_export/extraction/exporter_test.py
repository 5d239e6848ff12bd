"""An export that is killed goes on; too much damage stops it; Beam agrees."""

import itertools
import json
import signal
import subprocess
import sys
import time

import pytest

from feature_export import export
from feature_export.extraction.flags import (
  FeatureOptions,
  RunOptions,
  flag_faults,
)
from feature_export.records.reader import find_dataset

_CLIPS = 240


def _flags(raw, out, *more) -> list[str]:
  flags = ["--corpus", "manifest", "--raw", str(raw), "--out", str(out)]
  return [*flags, "--jobs", "2", *more]


def _dataset(out) -> dict[str, bytes]:
  folder = find_dataset(out, "mine")
  return {
    path.name: path.read_bytes()
    for path in folder.iterdir()
    if path.name != "export_report.json"
  }


def _report(out) -> dict:
  folder = find_dataset(out, "mine")
  return json.loads((folder / "export_report.json").read_text())


def test_a_killed_export_goes_on_and_ends_byte_identical(
  raw_corpus, tmp_path, write_tone, write_manifest
):
  rows = []
  for number in range(_CLIPS):
    write_tone(raw_corpus / f"{number}.wav", hertz=200 + number)
    split = "train" if number else "validation"
    rows.append(
      {"id": f"u{number}", "split": split, "text": "", "intensity": 1}
      | {"audio": f"{number}.wav"}
    )
  write_manifest(raw_corpus, rows)
  killed, whole = tmp_path / "killed", tmp_path / "whole"
  process = subprocess.Popen(
    [sys.executable, "-m", "feature_export.export"]
    + _flags(raw_corpus, killed),
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
  )
  while len(list(killed.glob(".incomplete*/features/*/*.npz"))) < 5:
    assert process.poll() is None, "the export ended by itself"
    time.sleep(0.01)
  process.send_signal(signal.SIGKILL)
  process.communicate(timeout=30)
  finished = len(list(killed.glob(".incomplete*/features/*/*.npz")))
  assert 5 <= finished < _CLIPS
  for out in (killed, whole):
    assert export.main(_flags(raw_corpus, out)) == 0
  assert _report(killed)["media_reused"] == finished
  assert _report(whole)["media_reused"] == 0
  assert _dataset(killed) == _dataset(whole)


def test_too_many_bad_clips_stop_the_export_and_are_listed(
  export_raw, tmp_path, capsys
):
  # One of four labelled clips has broken media.
  assert export_raw("--max_bad", "0.2") == 2
  assert "1 of 4 labelled clips" in capsys.readouterr().err
  rejected = json.loads((tmp_path / "data" / "mine.rejected.json").read_text())
  assert {each["id"] for each in rejected["findings"]} == {"t1"}
  assert not (tmp_path / "data" / "mine").exists()
  # What was extracted is kept for the next try.
  assert export_raw("--max_bad", "0.25") == 0
  assert _report(tmp_path / "data")["media_reused"] == 5
  assert not (tmp_path / "data" / "mine.rejected.json").exists()


def test_beam_writes_the_same_bytes(raw_corpus, export_raw, tmp_path):
  pytest.importorskip("apache_beam", reason="apache-beam is not installed")
  assert export_raw() == 0
  flags = ["--frames", "3", "--image_size", "64", "--faces", "none"]
  flags += ["--beam_runner", "DirectRunner"]
  assert export.main(_flags(raw_corpus, tmp_path / "beam", *flags)) == 0
  assert _dataset(tmp_path / "beam") == _dataset(tmp_path / "data")
  ours, beams = _report(tmp_path / "data"), _report(tmp_path / "beam")
  assert beams["findings"] == ours["findings"]


@pytest.mark.parametrize(
  ("beam", "message"),
  [
    (["--beam_runner", "FlimkRunner"], "Apache Beam (FlimkRunner) has failed"),
    (["--beam_runner", "DataflowRunner"], "Apache Beam (DataflowRunner) has"),
  ],
)
def test_a_pipeline_that_cannot_start_is_one_message(
  raw_corpus, tmp_path, capsys, beam, message
):
  pytest.importorskip("apache_beam", reason="apache-beam is not installed")
  assert export.main(_flags(raw_corpus, tmp_path / "data", *beam)) == 2
  assert message in capsys.readouterr().err
  assert not (tmp_path / "data" / "mine").exists()


def test_workers_with_other_packages_are_refused(
  raw_corpus, tmp_path, monkeypatch, capsys
):
  """They would make other features than the machine that writes the records."""
  pytest.importorskip("apache_beam", reason="apache-beam is not installed")
  from feature_export.extraction import beam

  begun, workers = {"av": "1", "torch": "2"}, {"av": "1", "torch": ""}
  answers = itertools.chain([begun], itertools.repeat(workers))
  monkeypatch.setattr(beam, "package_versions", answers.__next__)
  flags = _flags(raw_corpus, tmp_path / "data", "--beam_runner", "DirectRunner")
  assert export.main(flags) == 2
  error = capsys.readouterr().err
  assert "torch not installed (the export began with 2)" in error


def test_wrong_run_flags_are_all_named(raw_corpus, tmp_path, capsys):
  flags = ["--corpus", "manifest", "--raw", str(raw_corpus)]
  flags += ["--out", str(tmp_path / "data"), "--max_bad", "2"]
  flags += ["--beam_options=--x=1", "--clip_seconds", "0"]
  assert export.main(flags) == 2
  error = capsys.readouterr().err
  for part in ("--max_bad", "--beam_options goes with", "--clip_seconds"):
    assert part in error


def test_an_export_goes_to_a_disk_or_to_gs():
  upath = pytest.importorskip("upath", reason="no client of buckets")
  (fault,) = flag_faults(
    FeatureOptions(), RunOptions(out=upath.UPath("memory://bucket/data"))
  )
  assert "expected --out on a disk or in gs://, found memory://" in fault
