"""Tests of the CREMA-D importer."""

from collections import Counter

import pytest

from feature_export.corpora import cremad
from feature_export.corpora.utterance import Media, Utterance, validate
from feature_export.errors import InputError


@pytest.fixture
def raw(tmp_path, touch):
  for actor in (1001, 1064, 1078):
    for name in ("DFA_ANG_XX", "IEO_HAP_HI"):
      touch(tmp_path / "AudioWAV" / f"{actor}_{name}.wav")
      touch(tmp_path / "VideoFlash" / f"{actor}_{name}.flv")
  return tmp_path


def test_file_name_fields(raw):
  corpus = cremad.load(raw)
  validate(corpus)
  assert corpus.utterances[0] == Utterance(
    id="1001_DFA_ANG_XX",
    split="train",
    text="Don't forget a jacket.",
    speaker="1001",
    audio=Media(raw / "AudioWAV" / "1001_DFA_ANG_XX.wav"),
    video=Media(raw / "VideoFlash" / "1001_DFA_ANG_XX.flv"),
    emotion="anger",
  )
  assert [each.split for each in corpus.utterances[::2]] == [
    "train",
    "validation",
    "test",
  ]
  assert corpus.notes == ("6 of 7442 clips; files: {'.flv': 6, '.wav': 6}",)
  assert corpus.remarks == ()


def test_default_split_is_actor_disjoint(tmp_path, touch):
  for actor in range(1001, 1092):
    touch(tmp_path / f"{actor}_DFA_NEU_XX.wav")
  corpus = cremad.load(tmp_path)
  assert Counter(each.split for each in corpus.utterances) == {
    "train": 63,
    "validation": 14,
    "test": 14,
  }
  with pytest.raises(InputError, match="actor 1003 has files and no split"):
    cremad.load(tmp_path, "train=1001,validation=1002")


def test_known_defects(raw, touch, write_text, by_kind):
  touch(raw / "AudioWAV" / "1076_MTI_SAD_XX.wav")
  touch(raw / "VideoFlash" / "1076_MTI_SAD_XX.flv")
  touch(raw / "AudioWAV" / "1040_ITH_SAD_X.wav")
  touch(raw / "AudioWAV" / "1001_ABC_SAD_XX.wav")
  (raw / "AudioWAV" / "1064_DFA_ANG_XX.wav").unlink()
  write_text(
    raw / "AudioWAV" / "1001_IEO_HAP_HI.wav",
    "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
  )
  corpus = cremad.load(raw)
  found = {each.id: each for each in corpus.utterances}
  assert found["1076_MTI_SAD_XX"].audio is None
  assert found["1076_MTI_SAD_XX"].video is not None
  assert found["1040_ITH_SAD_XX"].audio.path.name == "1040_ITH_SAD_X.wav"
  assert found["1064_DFA_ANG_XX"].audio.path.suffix == ".flv"
  assert found["1001_IEO_HAP_HI"].audio.path.suffix == ".flv"
  assert by_kind(corpus) == {
    "no audio: listed as silent": [("1076_MTI_SAD_XX", "")],
    "repaired: level X read as XX": [("1040_ITH_SAD_X.wav", "")],
    "unused: file with another name": [("1001_ABC_SAD_XX.wav", "")],
    "dropped: Git LFS pointer, not the file": [("1001_IEO_HAP_HI.wav", "")],
    "repaired: voice from the video": [
      ("1001_IEO_HAP_HI", ""),
      ("1064_DFA_ANG_XX", ""),
    ],
    "no video: no file": [("1040_ITH_SAD_XX", "")],
  }


def test_a_clone_without_its_media_is_refused(tmp_path, write_text):
  with pytest.raises(InputError, match="AudioWAV/<actor>"):
    cremad.load(tmp_path)
  write_text(
    tmp_path / "1001_DFA_ANG_XX.wav", "version https://git-lfs.github.com\n"
  )
  with pytest.raises(InputError, match="git lfs pull"):
    cremad.load(tmp_path)
