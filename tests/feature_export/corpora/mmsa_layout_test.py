"""Tests of MMSA's layout, which MOSI and MOSEI share."""

import pytest

from feature_export.corpora import mosei, mosi
from feature_export.corpora.utterance import Media, Utterance, validate
from feature_export.errors import InputError

NEW = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
OLD = "video_id,clip_id,text,label,annotation,mode,label_by"


@pytest.fixture
def write_labels(tmp_path, write_text):
  """Writes rows of (video, clip, text, label, annotation, mode)."""

  def write(header: str, rows: list[tuple[str, ...]]):
    new = header == NEW
    lines = [header]
    for row in rows:
      cells = [*row[:4], "", "", "", *row[4:]] if new else [*row, "0"]
      lines.append(",".join(cells))
    write_text(tmp_path / "MOSI" / "label.csv", "\n".join(lines) + "\n")
    return tmp_path / "MOSI"

  return write


ROWS = [
  ("2WGyTLYerpo", "1", '"I, LOVED IT"', "2.4", "Positive", "train"),
  ("WKA5OygbEKI", "10", "UMM", "0.0", "Neutral", "valid"),
  ("c7UH_rxdZv4", "2", "NO", "-1.0", "Negative", "test"),
]


@pytest.mark.parametrize("header", [NEW, OLD])
def test_both_variants_of_the_columns(header, write_labels, touch, by_kind):
  raw = write_labels(header, ROWS)
  clip = touch(raw / "Raw" / "2WGyTLYerpo" / "1.mp4")
  touch(raw / "Raw" / "2WGyTLYerpo" / "99.mp4")
  corpus = mosi.load(raw)
  validate(corpus)
  assert corpus.name == "mosi"
  assert corpus.utterances[0] == Utterance(
    id="2WGyTLYerpo_1",
    split="train",
    text="I, LOVED IT",
    speaker="2WGyTLYerpo",
    audio=Media(clip),
    video=Media(clip),
    intensity=2.4,
  )
  assert [each.split for each in corpus.utterances[1:]] == [
    "validation",
    "test",
  ]
  kinds = by_kind(corpus)
  assert [name for name, _ in kinds["text only: no clip"]] == [
    "WKA5OygbEKI_10",
    "c7UH_rxdZv4_2",
  ]
  assert kinds["unused: clip without a row in label.csv"] == [
    ("2WGyTLYerpo_99", "")
  ]


def test_rows_that_cannot_be_taken_as_they_are(write_labels, by_kind):
  rows = [
    *ROWS,
    ("2WGyTLYerpo", "2", "A", "-0.5", "Neutral", "train"),
    ("2WGyTLYerpo", "3", "A", "1", "Positive", "test"),
    ("2WGyTLYerpo", "4", "A", "", "", "train"),
    ("2WGyTLYerpo", "5", "A", "nan", "", "train"),
    ("2WGyTLYerpo", "6", "A", "1", "Positive", "dev"),
    ("2WGyTLYerpo", "7", "", "1", "Positive", "train"),
    ("foreign", "1", "A", "1", "Positive", "train"),
  ]
  raw = write_labels(NEW, rows)
  with next(raw.rglob("label.csv")).open("a") as file:
    file.write("2WGyTLYe")  # where a copy broke off
  corpus = mosi.load(raw)
  assert len(corpus.utterances) == 7
  kinds = by_kind(corpus)
  assert kinds[
    "doubted: annotation contradicts the sign of the label (sign taken)"
  ] == [("2WGyTLYerpo_2", "Neutral and -0.5")]
  assert kinds["doubted: mode differs from the standard fold (mode taken)"] == [
    ("2WGyTLYerpo_3", "test, fold: train"),
    ("foreign_1", "train, fold: none"),
  ]
  assert kinds["dropped: label is no number"] == [
    ("2WGyTLYerpo_4", "''"),
    ("2WGyTLYerpo_5", "'nan'"),
    ("2WGyTLYe_", "None"),
  ]
  assert kinds["dropped: mode not train, valid or test"] == [
    ("2WGyTLYerpo_6", "'dev'")
  ]
  assert kinds["doubted: empty text"] == [("2WGyTLYerpo_7", "")]
  # Without a single clip, one note says it for all.
  assert "text only: no clip" not in kinds
  assert corpus.notes[-1] == "no clips below Raw/: text only"


def test_another_corpus_is_refused(write_labels):
  raw = write_labels(NEW, ROWS)
  with pytest.raises(InputError, match="expected the videos of MOSEI"):
    mosei.load(raw)


def test_mosei_ids_stay_strings(write_labels, touch):
  rows = [
    ("-3g5yACwYnA", "0", "Hi", "0.6666666865348816", "Positive", "train"),
    ("101787", "03", "Ho", "0.0", "Neutral", "valid"),
  ]
  raw = write_labels(NEW, rows)
  touch(raw / "Raw" / "101787" / "03.mp4")
  corpus = mosei.load(raw)
  assert [each.id for each in corpus.utterances] == [
    "-3g5yACwYnA_0",
    "101787_03",
  ]
  assert corpus.utterances[0].intensity == 0.6666666865348816
  assert corpus.utterances[1].video is not None


@pytest.mark.parametrize(
  ("header", "message"),
  [("video_id,clip_id,text", "missing: label"), (NEW, "found none")],
)
def test_faults_of_the_file(header, message, write_labels):
  with pytest.raises(InputError, match=message):
    mosi.load(write_labels(header, []))
