"""A file is the old one or the new one, never half."""

import pytest

from unimse_jax import files


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
