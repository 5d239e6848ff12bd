"""Records written by the exporter's builder, read by the trainer."""

import hashlib
import json
import pathlib
import shutil
import struct

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


def replace_in_shard(
  data_dir: pathlib.Path, corpus: str, split: str, old: bytes, new: bytes
) -> None:
  """Changes bytes of a shard, and its hash with it; CRCs are not looked at."""
  folder = data_dir / corpus / "1.0.0"
  (path,) = folder.glob(f"*-{split}.tfrecord-*")
  data = path.read_bytes()
  assert old in data
  assert len(old) == len(new)
  data = data.replace(old, new, 1)
  path.write_bytes(data)
  file = folder / "metadata.json"
  metadata = json.loads(file.read_text())
  metadata["shards"][path.name]["sha256"] = hashlib.sha256(data).hexdigest()
  file.write_text(json.dumps(metadata))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("modality", ["audio", "video"])
def test_frames_that_are_not_finite_are_refused_by_id(copied, modality, value):
  records = CorpusRecords(str(copied), "friends")
  ids = [each.id for each in records.texts["validation"]]
  place = ids.index("validation5")
  frames = records.frames("validation", place)[modality]
  broken = frames.copy()
  broken[-1, 2] = value
  replace_in_shard(
    copied, "friends", "validation", frames.tobytes(), broken.tobytes()
  )
  expected = (
    f"Dataset friends: .*\n  validation/validation5: {modality} with NaN or "
    f"infinity in 1 of {len(frames)} frames"
  )
  # The shard was opened before: what a batch reads is looked at too.
  with pytest.raises(InputError, match=expected):
    records.frames("validation", place)
  with pytest.raises(InputError, match=expected):
    CorpusRecords(str(copied), "friends")


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.5, -99.0])
def test_intensities_outside_of_the_range_are_refused_by_id(
  corpora, tmp_path, value
):
  shutil.copytree(corpora / "films", tmp_path / "films")
  replace_in_shard(
    tmp_path, "films", "test", struct.pack("<f", 1.6), struct.pack("<f", value)
  )
  with pytest.raises(InputError, match=rf"test/test\d: intensity {value}"):
    CorpusRecords(str(tmp_path), "films")


def test_all_faults_of_a_corpus_are_counted_and_some_are_shown(
  corpora, tmp_path
):
  shutil.copytree(corpora / "films", tmp_path / "films")
  for split in ("train", "validation", "test"):
    for old in (1.6, -1.2):
      replace_in_shard(
        tmp_path, "films", split, struct.pack("<f", old), b"\x00\x00\xc0\x7f"
      )
  with pytest.raises(InputError, match=r"found 6 fault\(s\)") as caught:
    CorpusRecords(str(tmp_path), "films")
  assert str(caught.value).count("intensity nan") == 5
  assert "..." in str(caught.value)


@pytest.mark.parametrize("name", ["features.json", "metadata.json"])
@pytest.mark.parametrize(
  "content",
  [*("", "{", None, "[]", "null", "7", '{"a": null}'), "[" * 10**5, '{"a": '],
)
def test_damaged_descriptions_are_one_message(copied, name, content):
  path = copied / "friends" / "1.0.0" / name
  path.unlink()
  if content is not None:
    path.write_text(content)
  with pytest.raises(InputError, match="friends"):
    CorpusRecords(str(copied), "friends")


@pytest.mark.parametrize(
  ("key", "value", "fault"),
  [
    ("audio", None, "audio: .*found None"),
    ("audio", {"mels": "4"}, "audio.mels: .*found '4'"),
    ("video", {}, "video.dimension: field required"),
    ("settings_sha256", 3, "settings_sha256: .*found 3"),
    ("emotion_scheme", ["joy"], "emotion_scheme: "),
    ("shards", [], "shards: "),
    ("shards", {"a": {}}, "shards.a.sha256: field required"),
  ],
)
def test_metadata_of_another_form_name_the_place(copied, key, value, fault):
  path = copied / "friends" / "1.0.0" / "metadata.json"
  metadata = json.loads(path.read_text())
  path.write_text(json.dumps({**metadata, key: value}))
  with pytest.raises(InputError, match=f"Dataset friends: .*{fault}"):
    CorpusRecords(str(copied), "friends")


def test_features_of_another_form_are_refused(copied):
  path = copied / "friends" / "1.0.0" / "features.json"
  described = path.read_text()
  path.write_text(described.replace('"speaker"', '"talker"'))
  with pytest.raises(InputError, match="found none of speaker"):
    CorpusRecords(str(copied), "friends")
  path.write_text(described.replace("float16", "float32"))
  with pytest.raises(InputError, match="Dataset friends: "):
    CorpusRecords(str(copied), "friends")


def test_metadata_must_say_the_width_of_the_frames(copied):
  path = copied / "friends" / "1.0.0" / "metadata.json"
  path.write_text(path.read_text().replace('"mels": 4', '"mels": 5'))
  with pytest.raises(InputError, match=r"audio float16\[\d, 4\] instead of"):
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
