"""Tests of what an export says it did."""

import numpy as np

from feature_export.corpora.utterance import Corpus, Utterance
from feature_export.features.extraction import Extraction
from feature_export.records.report import (
  ExportReport,
  format_reports,
  format_table,
)

EMPTY = np.zeros((0, 64), np.float16)
FULL = np.zeros((5, 64), np.float16)


def test_report_counts_what_is_there():
  clips = tuple(
    Utterance(name, split, "", emotion="joy")
    for name, split in (("a", "train"), ("b", "train"), ("c", "test"))
  )
  report = ExportReport(Corpus("mine", clips, None, ("a note",)), seconds=2.0)
  report.add(clips[0], Extraction(FULL, EMPTY, cut=True))
  report.add(clips[1], Extraction(FULL, FULL))
  report.add(clips[2], Extraction(EMPTY, FULL, {"audio": "silent"}))
  table, *remarks = format_reports([report]).split("mine: ")
  assert [line.split() for line in table.splitlines()[1:]] == [
    ["mine/train", "2", "2", "1", "0", "0"],
    ["mine/test", "1", "0", "1", "1", "0"],
  ]
  (remarks,) = remarks
  assert "3 clips in 2.0 s (1.5 clips/s)" in remarks
  assert "a note" in remarks
  assert "1 longer than the audio limit, cut: a" in remarks
  assert "audio absent in 1: silent: c" in remarks
  assert report.to_json()["absent"] == [
    {"id": "c", "split": "test", "modality": "audio", "reason": "silent"}
  ]


def test_table_lines_up():
  assert format_table(("name", "n"), [("a", 10), ("long", 5)]) == (
    "name   n\na     10\nlong   5"
  )
