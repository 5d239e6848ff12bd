"""Tests of the RAVDESS importer."""

from collections import Counter

import pytest

from feature_export.corpora import ravdess
from feature_export.corpora.utterance import validate
from feature_export.errors import InputError


def _touch(folder, *names):
  folder.mkdir(parents=True, exist_ok=True)
  for name in names:
    (folder / name).touch()


def _actors(root, count):
  for actor in range(1, count + 1):
    _touch(root / f"Actor_{actor:02d}", f"03-01-03-01-02-01-{actor:02d}.wav")


def test_file_name_fields(tmp_path):
  _actors(tmp_path, 6)
  corpus = ravdess.load(tmp_path)
  first = corpus.utterances[0]
  assert first.id == "03-01-02-01-01"
  assert first.text == "Dogs are sitting by the door"
  assert (first.speaker, first.emotion) == ("Actor_01", "happy")
  # "Emotional intensity" is no sentiment intensity.
  assert first.intensity is None
  assert first.video is None
  assert Counter(each.split for each in corpus.utterances) == {
    "train": 4,
    "validation": 1,
    "test": 1,
  }


def test_suffixes_may_be_in_capitals(tmp_path):
  _actors(tmp_path, 5)
  _touch(tmp_path / "Actor_06", "03-01-03-01-02-01-06.WAV")
  last = ravdess.load(tmp_path).utterances[-1]
  assert last.audio.path.name == "03-01-03-01-02-01-06.WAV"


def test_modalities_of_a_clip_are_paired(tmp_path, by_kind):
  _actors(tmp_path, 6)
  _touch(
    tmp_path / "Video_Speech_Actor_01" / "Actor_01",
    "01-01-03-01-02-01-01.mp4",
    "02-01-03-01-02-01-01.mp4",
    "01-01-04-01-02-01-01.mp4",
    "03-02-03-01-02-01-01.wav",
    "notes.wav",
  )
  corpus = ravdess.load(tmp_path)
  clips = {each.id: each for each in corpus.utterances}
  happy, sad = clips["03-01-02-01-01"], clips["04-01-02-01-01"]
  assert happy.audio.path.name == "03-01-03-01-02-01-01.wav"
  assert happy.video.path.name == "01-01-03-01-02-01-01.mp4"
  # Without a wav file the video's own sound serves.
  assert sad.audio.path.name == "01-01-04-01-02-01-01.mp4"
  assert len(corpus.utterances) == 7
  assert "1 songs left out" in corpus.notes
  kinds = by_kind(corpus)
  assert kinds["unused: file with another name"] == [("notes.wav", "")]
  assert kinds["repaired: voice from the video"] == [("04-01-02-01-01", "")]
  # Videos of one actor only: the clips of the five others lack theirs.
  assert len(kinds["no video: no file"]) == 5


def test_video_archive_alone(tmp_path, by_kind):
  """Full picture and sound before the silent copy of the same clip."""
  for actor in range(1, 7):
    folder = tmp_path / f"Video_Speech_Actor_{actor:02d}"
    names = [f"02-01-03-01-02-01-{actor:02d}.mp4"]
    if actor > 1:
      names.append(f"01-01-03-01-02-01-{actor:02d}.mp4")
    _touch(folder / f"Actor_{actor:02d}", *names)
    _touch(folder / f"Actor_{actor:02d}", f"._{names[0]}")
  corpus = ravdess.load(tmp_path)
  validate(corpus)
  first, second = corpus.utterances[:2]
  assert (first.audio, first.video.path.name[:2]) == (None, "02")
  assert second.audio == second.video
  assert second.video.path.name[:2] == "01"
  kinds = by_kind(corpus)
  assert kinds["no audio: no file"] == [("03-01-02-01-01", "")]
  assert len(kinds["repaired: voice from the video"]) == 5


def test_default_split_of_all_actors(tmp_path):
  _actors(tmp_path, 24)
  splits = Counter(each.split for each in ravdess.load(tmp_path).utterances)
  assert splits == {"train": 16, "validation": 4, "test": 4}


def test_split_actors_must_fit(tmp_path):
  _actors(tmp_path, 3)
  with pytest.raises(InputError, match="Give --split_actors"):
    ravdess.load(tmp_path)
  corpus = ravdess.load(tmp_path, "train=01+03,validation=02")
  assert [each.split for each in corpus.utterances] == [
    "train",
    "validation",
    "train",
  ]
  with pytest.raises(InputError, match="actor 03 has files and no split"):
    ravdess.load(tmp_path, "train=01,validation=02")
  with pytest.raises(InputError, match="actor 04 has a split and no files"):
    ravdess.load(tmp_path, "train=01-02,validation=03-04")


def test_folder_without_ravdess_files(tmp_path):
  _touch(tmp_path, "song.wav")
  with pytest.raises(InputError, match="Audio_Speech_Actors_01-24"):
    ravdess.load(tmp_path)


def test_real_files(real_data, tmp_path):
  """The first six actors, whichever others lie there."""
  for number in range(1, 7):
    folder = f"Actor_{number:02d}"
    (tmp_path / folder).symlink_to(real_data("ravdess") / folder)
  corpus = ravdess.load(tmp_path)
  validate(corpus)
  assert Counter(each.split for each in corpus.utterances) == {
    "train": 240,
    "validation": 60,
    "test": 60,
  }
  # Neutral has one acted intensity, the seven others two.
  counts = Counter(each.emotion for each in corpus.utterances)
  assert counts.pop("neutral") == 24
  assert set(counts.values()) == {48}
