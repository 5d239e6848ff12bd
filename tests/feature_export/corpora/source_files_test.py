"""Tests of the file listing and of reading damaged text."""

import pytest

from feature_export.corpora.source_files import (
  SourceFiles,
  first_media,
  read_table,
  repair_text,
)
from feature_export.errors import InputError


def test_stray_files_are_left_out(tmp_path, touch):
  kept = touch(tmp_path / "b" / "x.txt")
  near = touch(tmp_path / "x.txt")
  touch(tmp_path / "b" / "._x.txt")
  touch(tmp_path / "__MACOSX" / "b" / "x.txt")
  files = SourceFiles(tmp_path)
  assert files.paths == [kept, near]
  assert files.named("x.txt") == near
  assert files.named("y.txt") is None
  assert files.below("b", ".txt") == [kept]


def test_linked_folders_are_read_once(tmp_path, touch):
  touch(tmp_path / "disk" / "x.wav")
  raw = tmp_path / "raw"
  raw.mkdir()
  (raw / "link").symlink_to(tmp_path / "disk")
  (tmp_path / "disk" / "up").symlink_to(raw)  # a circle
  assert SourceFiles(raw).paths == [raw / "link" / "x.wav"]


def test_archive_is_refused_with_its_check(tmp_path, touch):
  path = touch(tmp_path / "MELD.Raw.tar.gz")
  with pytest.raises(InputError, match="mismatch.*Unpack it"):
    SourceFiles(path)
  with pytest.raises(InputError, match="expected the unpacked folder"):
    SourceFiles(touch(tmp_path / "file.csv"))
  assert "not unpacked: MELD.Raw.tar.gz" in SourceFiles(tmp_path).describe()


def test_text_is_repaired():
  assert repair_text(" I\x92m \x93in\x94 ") == "I\u2019m \u201cin\u201d"
  assert repair_text("a\x81b") == "a\x81b"  # undefined in Windows-1252


def test_table_cells_may_hold_line_separators(tmp_path):
  path = tmp_path / "t.csv"
  # 0x85 is an ellipsis in Windows-1252, and a line end to str.splitlines.
  path.write_bytes(b'\xef\xbb\xbfid,text\n007,well\x85 no\n8,"two\nlines"\n')
  with pytest.raises(InputError, match="missing: id"):
    read_table(path, ("id",))  # a mark and Latin-1 contradict each other
  path.write_bytes(b'id,text\n007,well\x85 no\n8,"two\nlines"\n')
  assert read_table(path, ("id", "text")) == [
    {"id": "007", "text": "well\x85 no"},
    {"id": "8", "text": "two\nlines"},
  ]


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("", "an empty file"),
    ("id,x\n1,2\n", "missing: text"),
    ("id,text\n", "none"),
    ('id,text\n1,"' + "x" * 200_000, "line 2, which is none.*quote"),
  ],
)
def test_table_faults(tmp_path, content, message):
  path = tmp_path / "t.csv"
  path.write_text(content)
  with pytest.raises(InputError, match=message):
    read_table(path, ("id", "text"))


def test_first_media_needs_a_file_and_a_length(tmp_path):
  path = tmp_path / "a.mp4"
  assert first_media([(None, None, None), (path, 2.0, 2.0)]) is None
  media = first_media([(path, 2.0, 2.0), (path, 1.0, 2.0)])
  assert (media.path, media.start, media.end) == (path, 1.0, 2.0)
