"""Tests of the counts of one dataset."""

import pytest

from feature_export.tables import statistics


def test_counts_and_lengths(export_raw, tmp_path):
  assert export_raw() == 0
  found = statistics.compute_statistics(tmp_path / "data" / "mine" / "1.0.0")
  assert found.clips == {"train": 2, "validation": 1, "test": 1}
  assert found.emotions["joy"] == {"train": 1, "validation": 0, "test": 0}
  assert found.emotions["surprise"]["test"] == 1
  # Two clips of 0.5 s are heard; the broken one does not count as 0 s.
  assert found.audio_clips == 2
  assert found.mean_seconds == pytest.approx(0.5, abs=0.032)


def test_corpus_without_audio_has_no_length():
  none = statistics.Statistics({"train": 1}, {}, 0, 0.0)
  assert none.mean_seconds is None
  assert "-" in statistics.format_statistics({"text": none}).splitlines()[1]
