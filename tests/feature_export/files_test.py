"""Tests of hashes, JSON and whole files."""

import pytest

from feature_export.errors import InputError
from feature_export.files import (
  check_is_no_pointer,
  hash_file,
  parse_json,
  write_whole,
)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
  path = tmp_path / "a.json"
  write_whole(path, "old")
  write_whole(path, "d\u00e9j\u00e0")
  assert path.read_bytes() == b"d\xc3\xa9j\xc3\xa0"
  with pytest.raises(OSError):
    write_whole(tmp_path / "gone" / "a.json", b"new")
  folder = tmp_path / "folder"
  (folder / "inside").mkdir(parents=True)
  with pytest.raises(OSError):
    write_whole(folder, b"a folder is in the way")
  # Nothing half-written is left behind.
  assert sorted(each.name for each in tmp_path.iterdir()) == [
    "a.json",
    "folder",
  ]


def test_hash_of_known_content(tmp_path):
  (tmp_path / "abc").write_bytes(b"abc")
  # The example of FIPS 180-4.
  assert hash_file(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae")


@pytest.mark.parametrize(
  "text", ["{", "[" * 100_000, "9" * 5000, "", '{"a": 1, "a": 2}']
)
def test_text_that_is_no_json_is_a_value_error(text):
  with pytest.raises(ValueError):
    parse_json(text)


def test_a_pointer_of_git_lfs_is_named(tmp_path):
  path = tmp_path / "model.safetensors"
  check_is_no_pointer(path)  # a missing file is told by who needs it
  path.write_text(
    "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n"
  )
  with pytest.raises(InputError, match="git lfs pull"):
    check_is_no_pointer(path)
  path.write_bytes(b"weights")
  check_is_no_pointer(path)
