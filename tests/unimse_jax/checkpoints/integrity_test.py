"""Seals: what is written, and that every kind of damage is named."""

import json

import pytest

from unimse_jax.checkpoints import integrity


@pytest.fixture
def sealed(tmp_path):
  (tmp_path / "inner").mkdir()
  (tmp_path / "a.bin").write_bytes(b"abc")
  (tmp_path / "inner" / "b.bin").write_bytes(b"defg")
  (tmp_path / "clock").write_bytes(b"1")
  integrity.seal(tmp_path, {"step": 3}, exclude=("clock",))
  return tmp_path


def test_manifest_holds_sizes_hashes_and_record(sealed):
  manifest = integrity.read_manifest(sealed)
  assert manifest["step"] == 3
  assert sorted(manifest["files"]) == ["a.bin", "inner/b.bin"]
  assert manifest["files"]["a.bin"] == {
    "size": 3,
    # sha256 of "abc", FIPS 180-2 appendix B.1.
    "sha256": "ba7816bf8f01cfea414140de5dae2223"
    "b00361a396177a9cb410ff61f20015ad",
  }
  assert integrity.find_damage(sealed) == []


def test_files_outside_the_manifest_do_not_matter(sealed):
  (sealed / "clock").write_bytes(b"22")
  (sealed / "new").write_bytes(b"x")
  assert integrity.find_damage(sealed) == []


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_flipped_byte_is_found(sealed, position):
  data = bytearray((sealed / "a.bin").read_bytes())
  data[position] ^= 1
  (sealed / "a.bin").write_bytes(data)
  assert integrity.find_damage(sealed) == ["a.bin: its content changed"]


def test_every_damaged_file_is_named(sealed):
  (sealed / "a.bin").unlink()
  (sealed / "inner" / "b.bin").write_bytes(b"de")
  first, second = integrity.find_damage(sealed)
  assert first.startswith("a.bin: cannot be read")
  assert second == "inner/b.bin: 2 bytes, 4 were written"


@pytest.mark.parametrize(
  "text", ["", "{", "[]", "null", "{}", '{"manifest_sha256": "0"}']
)
def test_a_manifest_that_is_not_one_counts_as_none(sealed, text):
  (sealed / "manifest.json").write_text(text)
  assert integrity.read_manifest(sealed) is None
  assert len(integrity.find_damage(sealed)) == 1


def test_an_altered_record_is_found(sealed):
  path = sealed / "manifest.json"
  manifest = json.loads(path.read_text())
  path.write_text(json.dumps({**manifest, "step": 4}))
  assert integrity.read_manifest(sealed) is None
