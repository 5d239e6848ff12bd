"""A file is the old one or the new one, never half; JSON is JSON or refused."""

import pathlib

import pytest

from unimse_jax import files
from unimse_jax.errors import InputError


def test_write_atomically_replaces_and_leaves_no_draft(tmp_path):
  path = tmp_path / "x.json"
  files.write_atomically(path, b"one")
  files.write_atomically(path, b"two")
  assert path.read_bytes() == b"two"
  assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_write_atomically_keeps_the_old_file_when_it_fails(
  tmp_path, monkeypatch
):
  path = tmp_path / "x.json"
  files.write_atomically(path, b"one")

  def fail(descriptor):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(files.os, "fsync", fail)
  with pytest.raises(OSError, match="No space"):
    files.write_atomically(path, b"two")
  assert path.read_bytes() == b"one"
  assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_users_path_is_expanded_and_a_bucket_refused(monkeypatch, tmp_path):
  monkeypatch.setenv("HOME", str(tmp_path))
  assert files.local_path("~/runs") == tmp_path / "runs"
  assert files.local_path("runs/a") == pathlib.Path("runs/a")
  with pytest.raises(InputError, match="gs://bucket/run"):
    files.local_path("gs://bucket/run")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_in_every_encoding_that_json_may_have(tmp_path, encoding):
  path = tmp_path / "x.json"
  path.write_bytes('{"a": [1, 2.5, "\u00e9"]}'.encode(encoding))
  assert files.read_json(path) == {"a": [1, 2.5, "\u00e9"]}


@pytest.mark.parametrize(
  ("content", "expected"),
  [
    (b" \n", "an empty file"),
    (b'{"a": 1', "Expecting"),
    (b"\xff\xfe\xff", "found none"),
    (b"[" * 10**5, "nested too deeply"),
    (b"1" * 5000, "a number of 5000 digits"),
    (b'[{"a": 1, "b": 2, "a": 1}]', "the key 'a' stands twice"),
    (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
  ],
)
def test_what_is_no_json_is_told_in_one_line(tmp_path, content, expected):
  path = tmp_path / "x.json"
  path.write_bytes(content)
  with pytest.raises(InputError, match=expected) as caught:
    files.read_json(path)
  assert str(path) in str(caught.value)
  assert "\n" not in str(caught.value)


def test_json_that_is_missing_is_told(tmp_path):
  with pytest.raises(InputError, match="No such file"):
    files.read_json(tmp_path / "x.json")
  with pytest.raises(InputError, match="Is a directory"):
    files.read_json(tmp_path)
