"""Tests of reading a TFRecord file once."""

import hashlib
import struct

import pytest

from feature_export.records.shards import ShardReader


@pytest.fixture
def shard(tmp_path):
  """Three records, one of them empty, as TensorFlow writes them."""
  import tensorflow as tf

  path = tmp_path / "a.tfrecord"
  with tf.io.TFRecordWriter(str(path)) as writer:
    for payload in (b"first", b"", b"third" * 1000):
      writer.write(payload)
  return path


def _sha256(path) -> str:
  return hashlib.sha256(path.read_bytes()).hexdigest()


def test_records_and_hash(shard):
  reader = ShardReader(shard)
  assert list(reader) == [b"first", b"", b"third" * 1000]
  assert reader.sha256 == _sha256(shard)
  assert not reader.cut


@pytest.mark.parametrize("kept", [3, 20, 41, -1])
def test_a_cut_file_is_hashed_to_its_end(shard, kept):
  content = shard.read_bytes()[:kept]
  shard.write_bytes(content)
  reader = ShardReader(shard)
  found = list(reader)
  # 21 bytes are the first record, 37 the first two.
  assert found == {3: [], 20: []}.get(kept, [b"first", b""])
  assert reader.cut
  assert reader.sha256 == _sha256(shard)


def test_a_length_beyond_the_file_is_not_read(shard):
  content = bytearray(shard.read_bytes())
  content[:8] = struct.pack("<Q", 2**62)
  shard.write_bytes(content)
  reader = ShardReader(shard)
  assert list(reader) == [] and reader.cut
  assert reader.sha256 == _sha256(shard)


def test_an_empty_file_has_no_records(tmp_path):
  path = tmp_path / "a.tfrecord"
  path.touch()
  reader = ShardReader(path)
  assert list(reader) == [] and not reader.cut
  assert reader.sha256 == hashlib.sha256().hexdigest()
