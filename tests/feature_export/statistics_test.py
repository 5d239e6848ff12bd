"""Tests of the counts of exported datasets."""

import pytest

from feature_export import statistics


def test_counts_and_lengths(export_raw, tmp_path, capsys):
  assert export_raw() == 0
  found = statistics.compute_statistics(tmp_path / "data" / "mine" / "1.0.0")
  assert found.clips == {"train": 2, "validation": 1, "test": 1}
  assert found.emotions["joy"] == {"train": 1, "validation": 0, "test": 0}
  assert found.emotions["surprise"]["test"] == 1
  # Two clips of 0.5 s are heard; the broken one does not count as 0 s.
  assert found.audio_clips == 2
  assert found.mean_seconds == pytest.approx(0.5, abs=0.032)
  capsys.readouterr()
  assert statistics.main(["--data", str(tmp_path / "data")]) == 0
  lines = [each.split() for each in capsys.readouterr().out.splitlines()]
  assert ["mine", "2", "1", "1", "4", "0.51"] in lines
  assert ["fear", "1", "0", "0", "1"] in lines


def test_corpus_without_audio_has_no_length():
  none = statistics.Statistics({"train": 1}, {}, 0, 0.0)
  assert none.mean_seconds is None
  assert "-" in statistics.format_statistics({"text": none}).splitlines()[1]


def test_nothing_to_count(tmp_path, capsys):
  assert statistics.main(["--data", str(tmp_path / "gone")]) == 2
  assert "No data folder" in capsys.readouterr().err
