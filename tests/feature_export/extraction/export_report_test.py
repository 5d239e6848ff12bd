"""Tests of what an export says it did."""

import numpy as np

from feature_export.corpora.utterance import Corpus, Remark, Utterance
from feature_export.extraction.export_report import (
  ExportReport,
  format_reports,
  format_table,
)
from feature_export.features.extracted import Extraction, Features, absent
from feature_export.features.findings import Finding

ROWS = np.zeros((5, 64), np.float16)
EMPTY, FULL = absent(64), Features(ROWS)


def test_report_counts_what_is_there():
  clips = tuple(
    Utterance(name, split, "", emotion="joy")
    for name, split in (("a", "train"), ("b", "train"), ("c", "test"))
  )
  remarks = (Remark("d", "dropped: no clip"), Remark("e", "dropped: no clip"))
  corpus = Corpus("mine", clips, None, ("a note",), remarks)
  report = ExportReport(corpus, seconds=2.0)
  cut = Finding("too_long", "cut")
  report.add(clips[0], Extraction(Features(ROWS, (cut,)), EMPTY))
  report.add(clips[1], Extraction(FULL, FULL))
  silent = Finding("silence", "absent")
  report.add(clips[2], Extraction(absent(64, silent), FULL))
  table, *remarks = format_reports([report]).split("mine: ")
  assert [line.split() for line in table.splitlines()[1:]] == [
    ["mine/train", "2", "2", "1", "0", "0"],
    ["mine/test", "1", "0", "1", "1", "0"],
  ]
  (remarks,) = remarks
  assert "3 clips in 2.0 s (1.5 clips/s)" in remarks
  assert "a note" in remarks
  assert "audio cut: too_long (1): a" in remarks
  assert "audio absent: silence (1): c" in remarks
  assert "dropped: no clip (2): d, e" in remarks
  assert report.bad == 1
  written = report.to_json()
  assert written["findings"][1] == {
    "id": "c",
    "split": "test",
    "modality": "audio",
    "kind": "silence",
    "action": "absent",
    "detail": "",
  }
  assert written["kinds"] == [
    {"modality": "audio", "kind": "silence", "action": "absent", "count": 1},
    {"modality": "audio", "kind": "too_long", "action": "cut", "count": 1},
  ]
  assert [each["id"] for each in written["remarks"]] == ["d", "e"]


def test_table_lines_up():
  assert format_table(("name", "n"), [("a", 10), ("long", 5)]) == (
    "name   n\na     10\nlong   5"
  )
