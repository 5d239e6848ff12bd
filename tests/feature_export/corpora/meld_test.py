"""Tests of the MELD importer."""

from collections import Counter

import pytest

from feature_export.corpora import meld
from feature_export.corpora.utterance import contexts, validate
from feature_export.errors import InputError

HEADER = "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"


@pytest.fixture
def raw(tmp_path):
  for split in ("train", "dev", "test"):
    (tmp_path / f"{split}_sent_emo.csv").write_text(
      HEADER
      + '"Oh, I\x92m fine",Ross,neutral,neutral,0,0\n'
      + "What?,Monica,surprise,negative,0,2\n",
      encoding="utf-8",
    )
  return tmp_path


def _touch(path):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.touch()
  return path


def test_rows_become_utterances(raw):
  corpus = meld.load(raw)
  validate(corpus)
  assert corpus.notes == ("no clips of MELD.Raw found: text only",)
  first, second = corpus.utterances[:2]
  assert first.id == "train/dia0_utt0"
  assert first.text == "Oh, I\u2019m fine"
  assert (second.turn, second.polarity) == (2, "negative")
  assert corpus.utterances[2].id == "dev/dia0_utt0"
  assert corpus.utterances[2].split == "validation"
  # Dialogue 0 of every split is a dialogue of its own.
  around = contexts(corpus.utterances)
  assert around["train/dia0_utt2"].before == (first.text,)


def test_latin_1_file_is_repaired(raw):
  (raw / "dev_sent_emo.csv").write_bytes(
    HEADER.encode() + b"I\x92m a caf\xe9,Ross,joy,positive,0,0\n"
  )
  utterances = {each.id: each for each in meld.load(raw).utterances}
  assert utterances["dev/dia0_utt0"].text == "I\u2019m a caf\u00e9"


def test_clips_of_both_nestings(raw):
  plain = _touch(raw / "train" / "train_splits" / "dia0_utt0.mp4")
  _touch(raw / "train" / "train_splits" / "._dia0_utt2.mp4")
  test = raw / "output_repeated_splits_test"
  _touch(test / "final_videos_testdia0_utt0.mp4")
  preferred = _touch(test / "dia0_utt0.mp4")
  twin = _touch(test / "final_videos_testdia0_utt2.mp4")
  corpus = meld.load(raw)
  found = {each.id: each for each in corpus.utterances}
  assert found["train/dia0_utt0"].video.path == plain
  assert found["train/dia0_utt0"].audio.path == plain
  assert found["train/dia0_utt2"].video is None
  assert found["test/dia0_utt0"].video.path == preferred
  assert found["test/dia0_utt2"].video.path == twin
  (note,) = corpus.notes
  assert "(3):" in note
  assert "train/dia0_utt2" in note


def test_faults_of_label_files(raw):
  (raw / "test_sent_emo.csv").write_text(HEADER + "a,b,joy,positive,x,0\n")
  with pytest.raises(InputError, match="test_sent_emo.csv row 1"):
    meld.load(raw)
  (raw / "test_sent_emo.csv").write_text("Utterance,Speaker\n")
  with pytest.raises(InputError, match="missing: Emotion, Sentiment"):
    meld.load(raw)
  (raw / "test_sent_emo.csv").unlink()
  with pytest.raises(InputError, match="missing in .*: test_sent_emo.csv"):
    meld.load(raw)


def test_real_label_files(real_data):
  corpus = meld.load(real_data("meld"))
  validate(corpus)
  # Poria et al. 2019, and counted from the official files.
  counts = Counter((each.emotion, each.split) for each in corpus.utterances)
  splits = ("train", "validation", "test")
  assert {
    emotion: [counts[emotion, split] for split in splits]
    for emotion in corpus.scheme.classes
  } == {
    "neutral": [4710, 470, 1256],
    "surprise": [1205, 150, 281],
    "fear": [268, 40, 50],
    "sadness": [683, 111, 208],
    "joy": [1743, 163, 402],
    "disgust": [271, 22, 68],
    "anger": [1109, 153, 345],
  }
  dialogues = {(each.split, each.dialogue) for each in corpus.utterances}
  assert Counter(split for split, _ in dialogues) == {
    "train": 1038,
    "validation": 114,
    "test": 280,
  }
  surprise = Counter(
    each.polarity
    for each in corpus.utterances
    if each.split == "train" and each.emotion == "surprise"
  )
  assert surprise == {"negative": 614, "positive": 591}
