"""Tests of the registry of published files."""

import hashlib

from feature_export.corpora import registry


def test_unknown_file(tmp_path):
  path = tmp_path / "mine.zip"
  path.write_text("x")
  assert registry.check_file(path).status == "unknown"


def test_wrong_size_is_not_hashed(tmp_path):
  path = tmp_path / "MELD.Raw.tar.gz"
  path.write_text("x")
  check = registry.check_file(path)
  assert check.status == "mismatch"
  assert "expected 10878146150 bytes" in check.detail
  assert "found 1" in check.detail


def test_hash_decides(tmp_path, monkeypatch):
  path = tmp_path / "aligned_50.pkl"
  path.write_text("features")
  check = registry.check_file(path)
  assert check.status == "mismatch"
  # Both corpora publish a file of this name.
  assert "d3994fd25681... or 45eccfb748a8..." in check.detail
  known = registry.KnownFile(
    path.name, "ours", hashlib.sha256(b"features").hexdigest(), "us"
  )
  monkeypatch.setattr(registry, "KNOWN_FILES", (*registry.KNOWN_FILES, known))
  check = registry.check_file(path)
  assert (check.status, check.name) == ("match", "aligned_50.pkl")
  assert check.detail.startswith("ours, sha256")
