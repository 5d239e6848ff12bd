"""Tests of the MOSI importer: the raw release, the SDK's labels."""

import csv
from collections import Counter

import pytest

from feature_export.corpora import mosi
from feature_export.corpora.standard_splits import read_split
from feature_export.corpora.utterance import Media, Utterance, validate
from feature_export.errors import InputError


@pytest.fixture
def videos():
  """One video of every fold; the one of train holds the known defect."""
  first = {}
  for video, split in read_split("mosi").items():
    first.setdefault(split, video)
  return {**first, "train": "2WGyTLYerpo"}


@pytest.fixture
def raw(tmp_path, videos, write_text, touch):
  """The raw release: labels, transcripts and media of three videos."""
  root = tmp_path / "CMU_MOSI_Raw"
  rows = [
    f"0.5,2.5,{videos['train']},1,2.4",
    f"2.5,2.5,{videos['train']},2,-1.0",
    f"0.0,1.0,{videos['validation']},1,0.0",
    f"1.0,3.25,{videos['test']},1,-2.6",
  ]
  write_text(root / "Labels" / "OpinionLevelSentiment.csv", "\r\n".join(rows))
  texts = {
    "train": "1_DELIM_I LOVED IT\r\n2_DELIM_UMM\r\n",
    "validation": "1_DELIM_THE FILM\n",
    "test": " 1_DELIM_IT\x92S BAD_DELIM_ REALLY\n",
  }
  for split, text in texts.items():
    write_text(
      root / "Transcript" / "Segmented" / f"{videos[split]}.annotprocessed",
      text.encode("latin-1"),
    )
  for split, number in (("train", 1), ("train", 2), ("test", 1)):
    name = f"{videos[split]}_{number}"
    touch(root / "Audio" / "WAV_16000" / "Segmented" / f"{name}.wav")
    touch(root / "Video" / "Segmented" / f"{name}.mp4")
  for split in videos:
    touch(root / "Audio" / "WAV_16000" / "Full" / f"{videos[split]}.wav")
    touch(root / "Video" / "Full" / f"{videos[split]}.mp4")
  return root


def test_raw_release(raw, videos, by_kind):
  corpus = mosi.load(raw.parent)
  validate(corpus)
  assert corpus.scheme is None
  name = f"{videos['train']}_1"
  assert corpus.utterances[0] == Utterance(
    id=name,
    split="train",
    text="I LOVED IT",
    speaker=videos["train"],
    audio=Media(raw / "Audio" / "WAV_16000" / "Segmented" / f"{name}.wav"),
    video=Media(raw / "Video" / "Segmented" / f"{name}.mp4"),
    intensity=2.4,
  )
  found = {each.id: each for each in corpus.utterances}
  assert len(found) == 4
  # Without clips of its own, a segment is cut from the full recordings.
  cut = found[f"{videos['validation']}_1"]
  assert cut.split == "validation"
  assert cut.audio == Media(
    raw / "Audio" / "WAV_16000" / "Full" / f"{videos['validation']}.wav", 0, 1
  )
  assert cut.video.path.parent.name == "Full"
  last = found[f"{videos['test']}_1"]
  assert last.text == "IT\u2019S BAD_DELIM_ REALLY"
  kinds = by_kind(corpus)
  assert kinds["doubted: no duration, not cut"] == [
    ("2WGyTLYerpo_2", "2.5 to 2.5 s")
  ]
  assert [id for id, _ in kinds["repaired: video from the full recording"]] == [
    cut.id
  ]
  # Every other video of the folds is missing here, and said to be.
  missing = kinds["missing: video of the test fold without a segment"]
  assert len(missing) == 30


def test_zero_duration_is_never_cut(raw, videos, by_kind):
  name = f"{videos['train']}_2"
  (raw / "Audio" / "WAV_16000" / "Segmented" / f"{name}.wav").unlink()
  (raw / "Video" / "Segmented" / f"{name}.mp4").unlink()
  corpus = mosi.load(raw)
  clip = {each.id: each for each in corpus.utterances}[name]
  assert (clip.audio, clip.video, clip.intensity) == (None, None, -1.0)
  kinds = by_kind(corpus)
  assert kinds["no audio: no file"] == [(name, "")]
  assert kinds["no video: no file"] == [(name, "")]


def test_every_defect_is_remarked(raw, videos, write_text, by_kind):
  labels = raw / "Labels" / "OpinionLevelSentiment.csv"
  write_text(
    labels,
    labels.read_bytes()
    + f"\n0,1,{videos['train']},1,0.2\n"  # labelled twice
    f"0,1,{videos['train']},9,0.2\n"  # no transcript
    "0,1,foreign,1,0.2\n"  # in no fold
    f"0,1,{videos['test']},2,nan\n"
    "0,1,short\n\n".encode(),
  )
  folder = raw / "Transcript" / "Segmented"
  write_text(folder / "foreign.annotprocessed", "1_DELIM_HI\n2_DELIM_HO\n")
  path = folder / f"{videos['test']}.annotprocessed"
  write_text(path, path.read_bytes() + b"2_DELIM_AND SO\nno delimiter\n")
  corpus = mosi.load(raw)
  validate(corpus)
  assert len(corpus.utterances) == 4
  kinds = by_kind(corpus)
  train = videos["train"]
  assert kinds["skipped: labelled twice (first taken)"] == [(f"{train}_1", "")]
  assert kinds["dropped: label without a transcript"] == [(f"{train}_9", "")]
  assert kinds["dropped: video in no standard fold"] == [("foreign_1", "")]
  assert kinds["dropped: label not finite"] == [(f"{videos['test']}_2", "")]
  assert kinds["dropped: transcript without a label"] == [("foreign_2", "")]
  assert kinds["skipped: label row of another form"] == [
    ("OpinionLevelSentiment.csv row 9", "")
  ]
  assert kinds["skipped: line without _DELIM_"] == [(f"{path.name} line 3", "")]


def test_labels_of_the_sdk(raw, videos, write_csd):
  """Row k of a video is segment k + 1."""
  (raw / "Labels" / "OpinionLevelSentiment.csv").unlink()
  write_csd(
    raw / "CMU_MOSI_Opinion_Labels.csd",
    "Opinion Segment Labels",
    {
      videos["train"]: [[0.5, 2.5, 2.4], [2.5, 2.5, -1.0]],
      videos["validation"]: [[0.0, 1.0, 0.0]],
      videos["test"]: [[1.0, 3.25, -2.6]],
    },
  )
  corpus = mosi.load(raw)
  validate(corpus)
  assert {each.id: each.intensity for each in corpus.utterances} == {
    f"{videos['train']}_1": 2.4,
    f"{videos['train']}_2": -1.0,
    f"{videos['validation']}_1": 0.0,
    f"{videos['test']}_1": -2.6,
  }
  assert "CMU_MOSI_Opinion_Labels.csd" in corpus.notes[0]


@pytest.mark.parametrize(("sentences", "kept"), [(46, 45), (45, 45), (47, 0)])
def test_rows_of_the_sdk_go_on_behind_the_segment_that_it_lacks(
  raw, videos, write_csd, write_text, by_kind, sentences, kept
):
  """Segment 44 of this video has no duration, and no row."""
  (raw / "Labels" / "OpinionLevelSentiment.csv").unlink()
  video = videos["train"]
  write_csd(
    raw / "CMU_MOSI_Opinion_Labels.csd",
    "Opinion Segment Labels",
    {
      video: [[row, row + 1.0, row / 50] for row in range(45)],
      videos["test"]: [[1.0, 3.25, -2.6]],
    },
  )
  write_text(
    raw / "Transcript" / "Segmented" / f"{video}.annotprocessed",
    "".join(f"{k}_DELIM_SENTENCE {k}\n" for k in range(1, sentences + 1)),
  )
  corpus = mosi.load(raw)
  found = {each.id: each for each in corpus.utterances}
  own = [name for name in found if name.startswith(video)]
  assert len(own) == kept and f"{videos['test']}_1" in found
  if not kept:
    assert by_kind(corpus)["dropped: rows are not sentences"] == [
      (video, "45 labels, 47 sentences")
    ]
    return
  assert found[f"{video}_43"].intensity == pytest.approx(42 / 50)
  last = found[f"{video}_{sentences}"]
  assert (last.intensity, last.text) == (
    pytest.approx(44 / 50),
    f"SENTENCE {sentences}",
  )
  assert (f"{video}_44" in found) == (sentences == 45)


def test_text_alone(raw):
  import shutil

  shutil.rmtree(raw / "Audio")
  shutil.rmtree(raw / "Video")
  corpus = mosi.load(raw)
  assert corpus.notes[1:] == (
    "no wav or mp4 below Segmented/ or Full/: text only",
  )
  assert not [each for each in corpus.remarks if "no file" in each.kind]


def test_missing_labels_name_all_layouts(tmp_path, touch):
  touch(tmp_path / "CMU_MOSI.zip")
  with pytest.raises(InputError) as error:
    mosi.load(tmp_path)
  for word in (
    *("OpinionLevelSentiment.csv", "CMU_MOSI_Opinion_Labels.csd", "label.csv"),
    *("annotprocessed", "found 1 files: CMU_MOSI.zip", "not unpacked"),
  ):
    assert word in str(error.value)


def test_empty_labels_and_missing_transcripts(raw, write_text):
  import shutil

  shutil.rmtree(raw / "Transcript")
  with pytest.raises(InputError, match="annotprocessed is not"):
    mosi.load(raw)
  write_text(raw / "Labels" / "OpinionLevelSentiment.csv", "")
  with pytest.raises(InputError, match="has no label"):
    mosi.load(raw)


def test_damaged_label_files_name_all_layouts(raw, write_text):
  (raw / "Labels" / "OpinionLevelSentiment.csv").unlink()
  write_text(raw / "label.csv", "id,score\n1,2\n")
  with pytest.raises(InputError, match="missing: video_id") as error:
    mosi.load(raw)
  assert "raw release: Labels/OpinionLevelSentiment.csv" in str(error.value)
  write_text(raw / "CMU_MOSI_Opinion_Labels.csd", "no HDF5")
  with pytest.raises(InputError, match="expected a .csd file") as error:
    mosi.load(raw)
  assert "raw release: Labels/OpinionLevelSentiment.csv" in str(error.value)


def test_real_texts_fall_into_the_standard_folds(
  real_data, tmp_path, write_text
):
  """All 2,199 published texts, with scores and times made up."""
  with (real_data("mosi") / "transcripts.csv").open(newline="") as file:
    rows = list(csv.reader(file))
  labels, texts = [], {}
  for place, (name, text, _, positive) in enumerate(rows):
    video, _, number = name.rpartition("_")
    score = 1.4 if positive == "1" else -0.6
    labels.append(f"{place},{place + 1},{video},{number},{score}")
    texts.setdefault(video, []).append(f"{number}_DELIM_{text}")
  write_text(tmp_path / "OpinionLevelSentiment.csv", "\n".join(labels))
  for video, lines in texts.items():
    path = tmp_path / "Segmented" / f"{video}.annotprocessed"
    write_text(path, "\n".join(lines))
  corpus = mosi.load(tmp_path)
  validate(corpus)
  assert Counter(each.split for each in corpus.utterances) == {
    "train": 1284,
    "validation": 229,
    "test": 686,
  }
  assert corpus.remarks == ()
  found = {each.id: each.text for each in corpus.utterances}
  assert found["03bSnISJMiM_1"] == "ANYHOW IT WAS REALLY GOOD"
