"""Label <-> text: every label comes back, and bad text never raises."""

import dataclasses
import itertools

import pytest

from unimse_jax.labels import (
  POLARITIES,
  EmotionScheme,
  LabelSchema,
  LabelText,
  UniversalLabel,
)
from unimse_jax.labels.text import UNKNOWN, parse_number

_MELD = EmotionScheme("meld", {"joy": "positive", "anger": "negative"})
_IEMOCAP = EmotionScheme("iemocap", {"excited": "positive", "sadness": ""})
_SCHEMA = LabelSchema(intensity=True, schemes=(_MELD, _IEMOCAP))
_TEXT = LabelText(_SCHEMA)


def test_the_text_of_the_design():
  label = UniversalLabel("positive", 1.6, {"meld": "joy", "iemocap": "excited"})
  assert _TEXT.write(label) == "positive, 1.6, joy, excited"


@pytest.mark.parametrize("separator", [", ", ","])
def test_every_label_of_a_grid_comes_back(separator):
  text = LabelText(_SCHEMA, separator)
  grid = itertools.product(
    POLARITIES,
    [number / 100 for number in range(-300, 301, 7)],
    _MELD.classes,
    _IEMOCAP.classes,
  )
  for polarity, intensity, meld, iemocap in grid:
    emotions = {"meld": meld, "iemocap": iemocap}
    parsed = text.parse(
      text.write(UniversalLabel(polarity, intensity, emotions))
    )
    assert not parsed.malformed
    expected = {"polarity": polarity, "intensity": intensity, **emotions}
    assert parsed.fields == expected


@pytest.mark.parametrize(
  ("value", "written"),
  [
    (0.0, "0"),
    (-0.0, "0"),
    (-0.001, "0"),
    (1 / 3, "0.33"),
    (-4 / 3, "-1.33"),
    (-3.0, "-3"),
    (3.0, "3"),
    (2.5, "2.5"),
    (-1.3333333730697632, "-1.33"),
    (0.10000000149011612, "0.1"),
  ],
)
def test_numbers_have_two_decimals_without_trailing_zeros(value, written):
  assert _TEXT.field(value) == written


def test_without_decimals_tens_keep_their_zeros():
  assert LabelText(_SCHEMA, decimals=0).field(10.0) == "10"


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_slot_is_written_unknown_and_read_back_as_nothing(empty):
  label = UniversalLabel("neutral", None, {"meld": empty, "iemocap": "sadness"})
  text = _TEXT.write(label)
  assert text == f"neutral, {UNKNOWN}, {UNKNOWN}, sadness"
  parsed = _TEXT.parse(text)
  assert not parsed.malformed
  assert parsed.fields["intensity"] is None
  assert parsed.fields["meld"] is None


@pytest.mark.parametrize(
  "text",
  [
    " Positive ,1.6,JOY,  excited ",
    "positive,1.60,joy,excited",
    "positive, +1.6, joy, excited",
    "positive, 16e-1, joy, excited",
  ],
)
def test_case_spaces_and_number_forms_do_not_matter(text):
  parsed = _TEXT.parse(text)
  assert not parsed.malformed
  assert list(parsed.fields.values()) == ["positive", 1.6, "joy", "excited"]


@pytest.mark.parametrize(
  ("text", "fields"),
  [
    ("", [None] * 4),
    ("1.6", [None] * 4),
    ("positive", ["positive", None, None, None]),
    ("positive, 1.6, joy", ["positive", 1.6, "joy", None]),
    ("positive, 1.6, joy, sa", ["positive", 1.6, "joy", None]),
    ("positive, much, joy, sadness", ["positive", None, "joy", "sadness"]),
    ("positive, nan, joy, sadness", ["positive", None, "joy", "sadness"]),
    ("positive, inf, joy, sadness", ["positive", None, "joy", "sadness"]),
    # A class of another scheme is not legal.
    ("positive, 1, excited, joy", ["positive", 1.0, None, None]),
    ("joy, 1, joy, sadness", [None, 1.0, "joy", "sadness"]),
    # Too many fields: the first four are read.
    (
      "positive, 1, joy, sadness, joy",
      ["positive", 1.0, "joy", "sadness"],
    ),
    (",,,,,", [None] * 4),
  ],
)
def test_bad_text_keeps_its_good_fields_and_is_malformed(text, fields):
  parsed = _TEXT.parse(text)
  assert parsed.malformed
  assert list(parsed.fields.values()) == fields


@pytest.mark.parametrize(
  ("piece", "value"), [("7", 3.0), ("-3.01", -3.0), ("1e30", 3.0)]
)
def test_numbers_out_of_range_are_brought_to_the_end(piece, value):
  assert parse_number(piece) == value
  assert not _TEXT.parse(f"positive, {piece}, joy, sadness").malformed


@pytest.mark.parametrize("piece", ["", "-", "1_0", "1.2.3", "one", "nan"])
def test_what_is_no_number_is_none(piece):
  assert parse_number(piece) is None


def test_classes_with_capitals_are_read_back_as_they_are():
  scheme = EmotionScheme("mine", {"Joy": "positive", "Very Sad": "negative"})
  text = LabelText(LabelSchema(intensity=False, schemes=(scheme,)))
  for word in scheme.classes:
    written = text.write(UniversalLabel("neutral", None, {"mine": word}))
    assert text.parse(written).fields["mine"] == word


def test_slots_and_their_words_are_all_that_is_written():
  assert _TEXT.slots == ("polarity", "intensity", "meld", "iemocap")
  assert _TEXT.words("meld") == ("joy", "anger")
  for decimals, count in ((0, 7), (1, 61), (2, 601)):
    words = LabelText(_SCHEMA, decimals=decimals).words("intensity")
    assert len(words) == len(set(words)) == count
    assert words[0] == "-3" and words[-1] == "3" and "0" in words
  with pytest.raises(KeyError):
    LabelText(LabelSchema(False, (_MELD,))).words("intensity")


def test_only_words_that_agree_with_the_polarity_follow_it():
  text = LabelText(_SCHEMA, decimals=0, consistent=True)
  assert text.words_after("negative", "intensity") == ("-3", "-2", "-1")
  assert text.words_after("neutral", "intensity") == ("0",)
  assert text.words_after("positive", "intensity") == ("1", "2", "3")
  assert text.words_after("negative", "meld") == ("anger",)
  # "sadness" has no polarity in this scheme: it may stand anywhere.
  assert text.words_after("positive", "iemocap") == ("excited", "sadness")
  # No class of MELD's is neutral here: then any may follow.
  assert text.words_after("neutral", "meld") == ("joy", "anger")
  assert text.words_after("neutral", "polarity") == POLARITIES
  loose = LabelText(_SCHEMA, decimals=0)
  assert loose.words_after("negative", "meld") == ("joy", "anger")


def test_what_training_labels_say_against_their_polarity_stays_legal():
  labels = [
    UniversalLabel("positive", 0.04, {"meld": "anger", "iemocap": "sadness"}),
    UniversalLabel("negative", -1.0, {"meld": None, "iemocap": "sadness"}),
  ]
  text = LabelText(_SCHEMA, decimals=1, consistent=True)
  found = text.find_contradictions(labels)
  # 0.04 is rounded to 0.
  assert found == {
    ("positive", "intensity", "0"),
    ("positive", "meld", "anger"),
  }
  text = dataclasses.replace(text, contradictions=found)
  assert text.words_after("positive", "intensity")[:2] == ("0", "0.1")
  assert text.words_after("positive", "meld") == ("joy", "anger")
  assert text.words_after("negative", "intensity")[-1] == "-0.1"


def test_three_fields_are_those_of_algorithm_1():
  schema = _SCHEMA.three_field()
  text = LabelText(schema)
  assert text.slots == ("polarity", "intensity", "emotion")
  assert text.words("emotion") == ("joy", "anger", "excited", "sadness")
  own = UniversalLabel(
    "positive",
    1.6,
    {"meld": "joy", "iemocap": "excited"},
    {"intensity": {"similarity": 0.5}, "meld": {"similarity": 0.9}},
  )
  # A donor, however similar, never stands before the sample's own class.
  assert text.write(own) == "positive, 1.6, excited"
  assert schema.project(own).donors == {"intensity": {"similarity": 0.5}}


@pytest.mark.parametrize(
  ("meld", "iemocap", "written"),
  [(0.9, 0.8, "joy"), (0.8, 0.9, "excited"), (0.7, 0.7, "joy")],
)
def test_the_most_similar_donor_gives_the_one_emotion(meld, iemocap, written):
  text = LabelText(_SCHEMA.three_field())
  label = UniversalLabel(
    "positive",
    1.6,
    {"meld": "joy", "iemocap": "excited"},
    {"meld": {"similarity": meld}, "iemocap": {"similarity": iemocap}},
  )
  assert text.write(label) == f"positive, 1.6, {written}"
  assert text.schema.project(label).donors == {
    "emotion": {"similarity": max(meld, iemocap)}
  }


def test_a_slot_without_a_donor_leaves_the_emotion_to_another_scheme():
  text = LabelText(_SCHEMA.three_field())
  emotions = {"meld": None, "iemocap": "sadness"}
  label = UniversalLabel(
    "neutral", None, emotions, {"iemocap": {"similarity": 0.1}}
  )
  assert text.write(label) == f"neutral, {UNKNOWN}, sadness"
  nothing = UniversalLabel("neutral", 0.0, {"meld": None, "iemocap": None})
  assert text.write(nothing) == f"neutral, 0, {UNKNOWN}"


def test_the_one_emotion_is_read_for_every_scheme():
  parsed = LabelText(_SCHEMA.three_field()).parse("positive, 1.6, excited")
  assert not parsed.malformed
  assert parsed.emotion("meld") == parsed.emotion("iemocap") == "excited"
  both = _TEXT.parse("positive, 1.6, joy, excited")
  assert (both.emotion("meld"), both.emotion("iemocap")) == ("joy", "excited")
  # A slot that was malformed is not filled from elsewhere.
  assert _TEXT.parse("positive, 1.6, joy").emotion("iemocap") is None


def test_a_class_that_schemes_colour_differently_has_no_polarity():
  other = EmotionScheme("other", {"joy": "negative", "anger": "negative"})
  schema = LabelSchema(True, (_MELD, other)).three_field()
  assert schema.schemes[0].polarity == {"joy": "", "anger": "negative"}


@pytest.mark.parametrize(
  ("value", "written"),
  [
    (1.600000023841858, "1.6"),
    (1.6, "1.6"),
    (-1.3333333730697632, "-1.3333333730697632"),
    (1 / 3, "0.3333333432674408"),
    (0.0, "0.0"),
    (-0.0, "0.0"),
    (3.0, "3.0"),
    (1.75, "1.75"),
  ],
)
def test_raw_numbers_are_printed_as_in_the_authors_files(value, written):
  text = LabelText(_SCHEMA, raw=True)
  assert text.field(value) == written
  assert text.parse(f"neutral,{written},joy,excited").fields["intensity"] == (
    pytest.approx(value, abs=1e-7)
  )


def test_snapping_restores_what_rounding_took():
  grid = (-4 / 3, 0.0, 1.0, 4 / 3, 1.6)
  text = LabelText(_SCHEMA, decimals=1, grid=grid, snap=True)
  for value in grid:
    written = text.write(UniversalLabel("neutral", value, {"meld": "joy"}))
    assert text.parse(written).fields["intensity"] == value
  for written, value in (("-3", -4 / 3), ("3", 1.6), ("0.5", 0.0)):
    parsed = text.parse(f"neutral, {written}, joy, excited")
    assert parsed.fields["intensity"] == value
  assert text.words("intensity") == ("-1.3", "0", "1", "1.3", "1.6")
  # Without snapping the number stays what was written.
  loose = LabelText(_SCHEMA, decimals=1, grid=grid)
  assert loose.parse("neutral, 0.5, joy, excited").fields["intensity"] == 0.5
