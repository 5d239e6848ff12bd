"""A file is the old one or the new one, never half."""

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
