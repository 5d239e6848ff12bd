"""Tests of the MOSEI importer: transcripts and labels joined by interval."""

import numpy as np
import pytest

from feature_export.corpora import mosei
from feature_export.corpora.monologues import Segment
from feature_export.corpora.sdk_labels import LabelledSegments
from feature_export.corpora.standard_splits import read_split
from feature_export.corpora.utterance import Media, Utterance, validate
from feature_export.errors import InputError

# Ids that a spreadsheet would spoil: a dash first, and digits only.
TRAIN = "-3g5yACwYnA"
VALIDATION = "101787"
MISTIMED = "hh04W3xXa5s"
TEXTS = "Transcript/Segmented/Combined"


@pytest.fixture
def test_video():
  return next(v for v, split in read_split("mosei").items() if split == "test")


@pytest.fixture
def raw(tmp_path, test_video, write_text, write_csd, touch):
  """The raw release: three videos, the labels in another order."""
  root = tmp_path / "Raw"
  lines = {
    TRAIN: [
      f"{TRAIN}___0___-0.488___2.5___Well___you know",
      f"{TRAIN}___1___2.5___64.0___A very long one",
    ],
    VALIDATION: [f"{VALIDATION}___7___0___3.25___It\u2019s <unk>"],
    test_video: [f"{test_video}___0___1.0___2.0___12"],
  }
  for video, content in lines.items():
    write_text(root / TEXTS / f"{video}.txt", "\n".join(content) + "\n")
  write_csd(
    root / "CMU_MOSEI_Labels.csd",
    "All Labels",
    {
      TRAIN: [
        [2.5, 64.0, -1.0, 0, 0, 0, 0, 0, 0],
        # Clamped in this copy, and printed with fewer digits.
        [0.0, 2.51, 2 / 3, 1, 0, 0, 0, 0, 0],
      ],
      VALIDATION: [[0, 3.25, 0, 0, 0, 0, 0, 0, 0]],
      test_video: [[1.0, 2.0, -2.0, 0, 0, 0, 0, 0, 0]],
    },
  )
  for video in lines:
    touch(root / "Audio" / "Full" / "WAV_16000" / f"{video}.wav")
    touch(root / "Videos" / "Full" / "Combined" / f"{video}.mp4")
  clips = root / "Videos" / "Segmented" / "Combined"
  touch(clips / f"{TRAIN}_1.mp4")
  return root


def test_raw_release(raw, by_kind):
  corpus = mosei.load(raw.parent)
  validate(corpus)
  assert len(corpus.utterances) == 4
  found = {each.id: each for each in corpus.utterances}
  audio = raw / "Audio" / "Full" / "WAV_16000"
  video = raw / "Videos" / "Full" / "Combined"
  assert found[f"{TRAIN}_0"] == Utterance(
    id=f"{TRAIN}_0",
    split="train",
    text="Well___you know",
    speaker=TRAIN,
    audio=Media(audio / f"{TRAIN}.wav", 0.0, 2.5),
    video=Media(video / f"{TRAIN}.mp4", 0.0, 2.5),
    intensity=2 / 3,
  )
  assert found[f"{TRAIN}_1"].intensity == -1.0
  assert found[f"{TRAIN}_1"].video.path.parent == video
  # Some copies hold the interval of the label and 0.0 where the text has 0.
  assert found[f"{VALIDATION}_7"].text == "It\u2019s <unk>"
  assert found[f"{VALIDATION}_7"].split == "validation"
  kinds = by_kind(corpus)
  assert kinds["repaired: negative start set to 0 s"] == [
    (f"{TRAIN}_0", "-0.488 s")
  ]
  assert kinds["doubted: longer than 60 s"] == [(f"{TRAIN}_1", "61.5 s")]
  assert [detail for _, detail in kinds["doubted: text of digits only"]] == [
    "12"
  ]


def test_media_that_is_missing(raw, by_kind):
  """The clips as published stand in; the sound track for the wav."""
  (raw / "Videos" / "Full" / "Combined" / f"{TRAIN}.mp4").unlink()
  (raw / "Audio" / "Full" / "WAV_16000" / f"{VALIDATION}.wav").unlink()
  corpus = mosei.load(raw)
  found = {each.id: each for each in corpus.utterances}
  clip = raw / "Videos" / "Segmented" / "Combined" / f"{TRAIN}_1.mp4"
  assert found[f"{TRAIN}_1"].video == Media(clip)
  assert found[f"{TRAIN}_0"].video is None
  assert found[f"{VALIDATION}_7"].audio.path.suffix == ".mp4"
  kinds = by_kind(corpus)
  assert kinds["no video: no file"] == [(f"{TRAIN}_0", "")]
  assert kinds["repaired: video from the published clip"] == [
    (f"{TRAIN}_1", clip.name)
  ]


def test_transcript_defects(raw, write_text, by_kind):
  path = raw / TEXTS / f"{TRAIN}.txt"
  lines = path.read_text().splitlines()
  # The file printed as bytes; a text printed as bytes; digits; nothing.
  write_text(path, repr("\n".join(lines).encode()))
  write_text(
    raw / TEXTS / f"{VALIDATION}.txt",
    f"{VALIDATION}___7___0___3.25___b'caf\\xc3\\xa9'\n"
    f"{VALIDATION}___7___0___3.25___again\n",
  )
  write_text(raw / TEXTS / "digits.txt", "4711\n")
  write_text(raw / TEXTS / "empty.txt", "")
  corpus = mosei.load(raw)
  found = {each.id: each.text for each in corpus.utterances}
  assert found[f"{TRAIN}_0"] == "Well___you know"
  assert found[f"{VALIDATION}_7"] == "caf\u00e9"
  kinds = by_kind(corpus)
  assert kinds["repaired: file printed as bytes"] == [(path.name, "")]
  assert kinds["repaired: text printed as bytes"] == [(f"{VALIDATION}_7", "")]
  assert kinds["skipped: line of another form"] == [("digits.txt line 1", "")]
  assert kinds["skipped: empty file"] == [("empty.txt line 1", "")]
  assert kinds["skipped: transcribed twice"] == [(f"{VALIDATION}_7", "")]


def test_labels_and_transcripts_without_a_partner(
  raw, test_video, write_text, write_csd, by_kind
):
  write_text(raw / TEXTS / "unlabelled.txt", "unlabelled___0___0___1___Hi\n")
  write_text(
    raw / TEXTS / f"{MISTIMED}.txt",
    f"{MISTIMED}___0___0___1___Hi\n{MISTIMED}___1___5___6___Ho\n",
  )
  write_text(raw / TEXTS / "nofold.txt", "nofold___0___0___1___Hi\n")
  write_csd(
    raw / "CMU_MOSEI_Labels.csd",
    "All Labels",
    {
      MISTIMED: [[0, 1, 1.0], [5.1, 6, 2.0]],
      "nofold": [[0, 1, 1.0]],
      "silent": [[0, 1, 1.0], [1, 2, 1.0]],
    },
  )
  corpus = mosei.load(raw)
  kinds = by_kind(corpus)
  assert [each.id for each in corpus.utterances] == [f"{MISTIMED}_0"]
  assert kinds["doubted: mistimed (SDK issue 227)"] == [(f"{MISTIMED}_0", "")]
  # 0.1 s apart: further than the tolerance.
  assert kinds["dropped: transcript without a label"] == [(f"{MISTIMED}_1", "")]
  assert kinds["dropped: label without a transcript"] == [
    (MISTIMED, "5.1 to 6 s")
  ]
  assert ("unlabelled", "1 lines") in kinds["dropped: video without a label"]
  assert kinds["dropped: labelled video without a transcript"] == [
    ("silent", "2 labels")
  ]
  assert kinds["dropped: video in no standard fold"] == [("nofold_0", "")]
  # Two ids of the published test fold have no labels anywhere.
  missing = kinds["missing: video of the test fold without a segment"]
  assert {("7l3BNtSE0xc", ""), ("dZFV0lyedX4", "")} <= set(missing)


def test_nearest_pairs_are_joined_first():
  """Two sentences closer together than the tolerance keep their labels."""
  lines = [
    Segment("v", 0, "a", 1.000, 1.010),
    Segment("v", 1, "b", 1.010, 1.020),
  ]
  labels = LabelledSegments(
    np.array([2.0, 1.0]), np.array([[1.010, 1.020], [1.000, 1.010]])
  )
  segments, remarks = mosei.join_video(lines, labels)
  assert [each.score for each in segments] == [1.0, 2.0]
  assert remarks == []


def test_wrong_layouts(tmp_path, write_csd, write_text):
  with pytest.raises(InputError, match="CMU_MOSEI_Labels.csd") as error:
    mosei.load(tmp_path)
  assert "MMSA: label.csv" in str(error.value)
  write_csd(tmp_path / "CMU_MOSEI_Labels.csd", "All Labels", {"v": [[0, 1, 1]]})
  with pytest.raises(InputError, match="in 0 files Segmented/Combined"):
    mosei.load(tmp_path)
  write_text(tmp_path / TEXTS / "v.txt", "0 1 Hi\n")
  with pytest.raises(InputError, match="in 1 files Segmented/Combined"):
    mosei.load(tmp_path)
