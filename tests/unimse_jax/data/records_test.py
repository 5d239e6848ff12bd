"""Records written by the exporter's builder, read by the trainer."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from unimse_jax.data.records import CorpusRecords, find
from unimse_jax.errors import InputError


@pytest.fixture
def copied(corpora, tmp_path) -> pathlib.Path:
  """A copy of the corpus friends that a test may damage."""
  shutil.copytree(corpora / "friends", tmp_path / "friends")
  return tmp_path


def shard(data_dir: pathlib.Path, split: str = "train") -> pathlib.Path:
  return next((data_dir / "friends" / "1.0.0").glob(f"*-{split}.tfrecord-*"))


def test_every_field_comes_across(corpora):
  records = CorpusRecords(str(corpora), "friends")
  counts = {split: len(texts) for split, texts in records.texts.items()}
  assert counts == {"train": 21, "validation": 6, "test": 5}
  found = {each.id: each for each in records.texts["train"]}
  each = found["train7"]
  assert each.text == "that is awful my friend 7"
  assert (each.dialogue, each.turn, each.speaker) == ("train1", 2, "B")
  assert each.before == (
    "that is great my friend 6",
    "that is plain my friend 5",
  )
  assert each.after == (
    "that is plain my friend 8",
    "that is great my friend 9",
  )
  assert each.before_speakers == ("A", "B")
  assert each.after_speakers == ("A", "B")
  assert (each.polarity, each.emotion) == ("negative", "anger")
  assert each.intensity is None
  assert (each.audio_frames, each.video_frames) == (2, 3)
  assert records.emotion_classes == ("joy", "anger", "calm")
  assert records.scheme_name == "moods"


def test_intensities_come_across_and_zero_is_one(corpora):
  records = CorpusRecords(str(corpora), "films")
  found = {each.id: each for each in records.texts["test"]}
  assert found["test0"].intensity == pytest.approx(1.6)
  assert found["test2"].intensity == 0.0
  assert found["test2"].polarity == "neutral"
  assert records.emotion_classes == ()
  assert records.scheme_name == ""


def test_frames_are_read_by_number(corpora):
  records = CorpusRecords(str(corpora), "films")
  # What the builder was given: one stream of numbers a split.
  rng = np.random.default_rng(len("films"))
  expected = {
    number: (
      rng.standard_normal((number % 3 * 2, 4)).astype(np.float16),
      rng.standard_normal((number % 4, 6)).astype(np.float16),
    )
    for number in range(21)
  }
  for place, each in enumerate(records.texts["train"]):
    audio, video = expected[int(each.id.removeprefix("train"))]
    frames = records.frames("train", place)
    assert frames["audio"].dtype == frames["video"].dtype == np.float16
    np.testing.assert_array_equal(frames["audio"], audio)
    np.testing.assert_array_equal(frames["video"], video)
    assert each.audio_frames == len(audio)


def test_one_flipped_byte_is_noticed(copied):
  path = shard(copied)
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)
  with pytest.raises(InputError, match="sha256") as caught:
    CorpusRecords(str(copied), "friends")
  assert path.name in str(caught.value)


def test_a_cut_shard_is_noticed(copied):
  path = shard(copied)
  path.write_bytes(path.read_bytes()[:-10])
  with pytest.raises(InputError, match="sha256"):
    CorpusRecords(str(copied), "friends")


def test_a_missing_shard_is_noticed(copied):
  path = shard(copied, "test")
  path.unlink()
  with pytest.raises(InputError) as caught:
    CorpusRecords(str(copied), "friends")
  assert path.name in str(caught.value)


def test_a_shard_of_another_corpus_is_noticed(copied):
  path = shard(copied)
  path.write_bytes(shard(copied, "test").read_bytes())
  with pytest.raises(InputError, match="sha256"):
    CorpusRecords(str(copied), "friends")


@pytest.mark.parametrize("name", ["features.json", "metadata.json"])
@pytest.mark.parametrize("content", ["", "{", None])
def test_damaged_descriptions_are_one_message(copied, name, content):
  path = copied / "friends" / "1.0.0" / name
  path.unlink()
  if content is not None:
    path.write_text(content)
  with pytest.raises(InputError, match="friends"):
    CorpusRecords(str(copied), "friends")


def test_a_missing_corpus_names_the_command(tmp_path):
  with pytest.raises(InputError, match="feature_export.export --corpus mosi"):
    find(str(tmp_path), "mosi")


def test_an_export_that_was_not_finished_is_no_corpus(copied):
  path = copied / "friends" / "1.0.0" / "metadata.json"
  metadata = json.loads(path.read_text())
  del metadata["shards"]
  path.write_text(json.dumps(metadata))
  with pytest.raises(InputError, match="found none"):
    find(str(copied), "friends")
