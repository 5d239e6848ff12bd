"""Tests of the MELD importer."""

from collections import Counter

import pytest

from feature_export.corpora import meld
from feature_export.corpora.utterance import Media, validate, with_contexts
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
  around = {each.id: each for each in with_contexts(corpus.utterances)}
  assert around["train/dia0_utt2"].before == (first.text,)


def test_latin_1_file_is_repaired(raw):
  (raw / "dev_sent_emo.csv").write_bytes(
    HEADER.encode() + b"I\x92m a caf\xe9,Ross,joy,positive,0,0\n"
  )
  utterances = {each.id: each for each in meld.load(raw).utterances}
  assert utterances["dev/dia0_utt0"].text == "I\u2019m a caf\u00e9"


def test_texts_that_pandas_lost_are_doubted(raw, by_kind):
  (raw / "dev_sent_emo.csv").write_text(
    HEADER + "nan,Ross,joy,positive,0,0\n,Ross,joy,positive,0,1\n"
  )
  assert by_kind(meld.load(raw))["doubted: empty text"] == [
    ("dev/dia0_utt0", "nan"),
    ("dev/dia0_utt1", ""),
  ]


def test_clips_converted_to_wav_are_its_sound(raw, touch):
  folder = raw / "train_splits"
  sound = touch(folder / "dia0_utt0.wav")
  touch(folder / "dia0_utt2.wav")
  both = touch(folder / "dia0_utt2.mp4")
  # A folder of sound alone, which is read before the one of the clips.
  touch(raw / "audio" / "train_splits" / "dia0_utt2.wav")
  corpus = meld.load(raw)
  first, second = corpus.utterances[:2]
  assert (first.audio, first.video) == (Media(sound), None)
  assert (second.audio, second.video) == (Media(both), Media(both))
  assert "1 of them sound alone (.wav)" in corpus.notes


@pytest.fixture
def clips(raw, touch):
  """Both nestings, a twin beside a plain clip and a twin alone."""
  test = raw / "output_repeated_splits_test"
  touch(raw / "train" / "train_splits" / "._dia0_utt2.mp4")
  return {
    "train": touch(raw / "train" / "train_splits" / "dia0_utt0.mp4"),
    "twin": touch(test / "final_videos_testdia0_utt0.mp4"),
    "plain": touch(test / "dia0_utt0.mp4"),
    "alone": touch(test / "final_videos_testdia0_utt2.mp4"),
    "extra": touch(raw / "dev_splits_complete" / "dia49_utt4.mp4"),
  }


@pytest.mark.parametrize(
  ("twins", "first", "second"),
  [
    ("plain", "plain", "alone"),
    ("prefer", "twin", "alone"),
    ("ignore", "plain", None),
  ],
)
def test_clips_of_both_nestings(raw, clips, by_kind, twins, first, second):
  corpus = meld.load(raw, twins)
  validate(corpus)
  found = {each.id: each for each in corpus.utterances}
  train = found["train/dia0_utt0"]
  assert train.audio == train.video == Media(clips["train"])
  assert found["train/dia0_utt2"].video is None
  assert found["test/dia0_utt0"].video == Media(clips[first])
  second = Media(clips[second]) if second else None
  assert found["test/dia0_utt2"].video == second
  kinds = by_kind(corpus)
  missing = [name for name, _ in kinds["text only: no clip"]]
  assert missing == ["train/dia0_utt2", "dev/dia0_utt0", "dev/dia0_utt2"] + (
    ["test/dia0_utt2"] if twins == "ignore" else []
  )
  assert kinds["unused: clip without a label row"] == [("dev/dia49_utt4", "")]
  taken = kinds.get("repaired: final_videos_test twin taken", [])
  assert len(taken) == {"plain": 1, "prefer": 2, "ignore": 0}[twins]
  unused = kinds.get(f"unused: twin (--twins {twins})", [])
  assert len(unused) == {"plain": 1, "prefer": 0, "ignore": 2}[twins]


@pytest.fixture
def bad_raw(raw, touch, write_text):
  """The clip that is five minutes long, and its twin."""
  write_text(
    raw / "test_sent_emo.csv",
    HEADER.replace("\n", ",StartTime,EndTime\n")
    + 'Hi,Ross,joy,positive,38,4,"0:14:38,127","00:19:43,067"\n'
    + 'Ho,Ross,joy,positive,38,5,"0:14:40,000","00:14:40,084"\n'
    + 'Ha,Ross,joy,positive,38,6,"0:14:40,000","00:14:41,500"\n',
  )
  touch(raw / "output_repeated_splits_test" / "dia38_utt4.mp4")
  return raw


def test_clips_listed_as_bad(bad_raw, touch, by_kind):
  corpus = meld.load(bad_raw)
  found = {each.id: each for each in corpus.utterances}
  assert found["test/dia38_utt4"].video is None
  kinds = by_kind(corpus)
  assert kinds["text only: clip listed as bad"] == [
    ("test/dia38_utt4", "wrongly cut (5 minutes)")
  ]
  assert kinds["doubted: label spans less than 0.1 s or more than 30 s"] == [
    ("test/dia38_utt4", "304.94 s"),
    ("test/dia38_utt5", "0.08 s"),
  ]
  kept = meld.load(bad_raw, bad_clips="keep")
  found = {each.id: each for each in kept.utterances}
  assert found["test/dia38_utt4"].video is not None
  assert len(by_kind(kept)["doubted: clip listed as bad"]) == 1
  # What is said of the plain clip does not hold for its twin.
  twin = "final_videos_testdia38_utt4.mp4"
  touch(bad_raw / "output_repeated_splits_test" / twin)
  preferred = meld.load(bad_raw, "prefer")
  found = {each.id: each for each in preferred.utterances}
  assert found["test/dia38_utt4"].video.path.name == twin


def test_packed_clips_are_refused(raw, clips, touch):
  touch(raw / "dev.tar.gz")  # dev_splits_complete is there
  archive = touch(raw / "MELD.Raw.tar.gz")
  notes = meld.load(raw).notes
  assert "MELD.Raw.tar.gz: mismatch: expected 10878146150 bytes" in notes[0]
  clips["extra"].unlink()
  with pytest.raises(InputError, match="dev.tar.gz: unknown"):
    meld.load(raw)
  (raw / "dev.tar.gz").unlink()
  for clip in clips.values():
    clip.unlink(missing_ok=True)
  with pytest.raises(InputError, match="MELD.Raw.tar.gz: mismatch"):
    meld.load(raw)
  archive.unlink()
  assert meld.load(raw).notes == ("no clips of MELD.Raw found: text only",)


def test_repairs_are_remarked(raw, by_kind):
  kinds = by_kind(meld.load(raw))
  assert [name for name, _ in kinds["repaired: Windows-1252 characters"]] == [
    "train/dia0_utt0",
    "dev/dia0_utt0",
    "test/dia0_utt0",
  ]


def test_faults_of_label_files(raw):
  (raw / "test_sent_emo.csv").write_text(HEADER + "a,b,joy,positive,x,0\n")
  with pytest.raises(InputError, match="test_sent_emo.csv row 1"):
    meld.load(raw)
  (raw / "test_sent_emo.csv").write_text(HEADER)
  with pytest.raises(InputError, match="found none"):
    meld.load(raw)
  (raw / "test_sent_emo.csv").write_text("Utterance,Speaker\n")
  with pytest.raises(InputError, match="missing: Emotion, Sentiment"):
    meld.load(raw)
  (raw / "test_sent_emo.csv").unlink()
  with pytest.raises(InputError, match="Missing: test_sent_emo.csv") as error:
    meld.load(raw)
  assert "MELD.Raw unpacked" in str(error.value)


def test_real_label_files(real_data):
  corpus = meld.load(real_data("meld"))
  validate(corpus)
  assert {each.kind for each in corpus.remarks} == {
    "doubted: label spans less than 0.1 s or more than 30 s"
  }
  doubted = {each.id: each.detail for each in corpus.remarks}
  assert len(doubted) == 14
  assert doubted["test/dia38_utt4"] == "304.94 s"
  assert doubted["test/dia155_utt3"] == "0.00 s"
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
