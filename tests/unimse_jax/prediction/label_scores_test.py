"""Which texts a label's probabilities are made of, and how few tokens."""

import numpy as np
import pytest

from unimse_jax.benchmarking import synthetic
from unimse_jax.labels import (
  EmotionScheme,
  LabelSchema,
  LabelText,
  ParsedLabel,
)
from unimse_jax.prediction.label_scores import Beginnings, Emotions

_MOODS = EmotionScheme(
  "moods", {"joy": "positive", "relief": "positive", "rage": "negative"}
)
_STATES = EmotionScheme("states", {"calm": "", "tense": ""})
_TEXT = LabelText(
  LabelSchema(intensity=True, schemes=(_MOODS, _STATES)),
  grid=(-1.0, 0.0, 1.0, 2.0),
  consistent=True,
)


class Letters:
  """A vocabulary of single letters."""

  def encode(self, text: str) -> list[int]:
    return [*map(ord, text)]


def written(*fields) -> ParsedLabel:
  return ParsedLabel(dict(zip(_TEXT.slots, fields, strict=True)), False)


@pytest.fixture(scope="module")
def emotions() -> Emotions:
  return Emotions(Letters(), _TEXT)


def test_polarities_and_numbers_are_shares_of_their_own_texts():
  beginnings = Beginnings(Letters(), _TEXT)
  # negative, neutral, positive; -1, 0, 1 and 2 behind their polarities.
  log_p = np.log([0.2, 0.2, 0.4, 0.01, 0.02, 0.03, 0.04, 1.0])
  found = beginnings.probabilities(log_p)
  assert found == pytest.approx(
    {"negative": 0.25, "neutral": 0.25, "positive": 0.5}
  )
  assert beginnings.estimates(log_p) == {
    "mean": pytest.approx(-0.1 + 0.3 + 0.8),
    "median": 1.0,
  }


def test_labels_without_a_number_have_polarities_alone():
  text = LabelText(LabelSchema(intensity=False, schemes=(_MOODS,)))
  beginnings = Beginnings(Letters(), text)
  assert not beginnings.numbers
  assert beginnings.trees.arcs.shape[:2] == (1, 3)


def test_emotions_are_scored_behind_what_was_written(emotions):
  label = written("positive", 1.0, "joy", "calm")
  tree = emotions.trees([label], 1)
  texts = scored_texts(tree, 0)
  # What all classes share is read and not scored: "positive, 1, " and, in the
  # last slot, "joy, " too. Each class ends in its separator, the last in </s>.
  assert texts == [
    *("joy,", "relief,", ""),
    *("calm\x01", "tense\x01"),
  ]
  shares = emotions.probabilities(np.log([0.1, 0.3, 1.0, 0.5, 0.5, 1.0]), label)
  assert shares["moods"] == pytest.approx(
    {"joy": 0.25, "relief": 0.75, "rage": 0.0}
  )
  assert shares["states"] == pytest.approx({"calm": 0.5, "tense": 0.5})


def scored_texts(tree, row: int) -> list[str]:
  """The scored tokens of the texts of a row."""
  return [
    "".join(chr(tree.arc_tokens[row, arc - 1]) for arc in arcs if arc)
    for arcs in tree.arcs[row]
  ][:5]


def test_a_class_alone_is_sure_and_costs_nothing(emotions):
  label = written("negative", -1.0, "rage", "calm")
  assert scored_texts(emotions.trees([label], 1), 0)[:3] == ["", "", ""]
  found = emotions.probabilities(np.zeros(8), label)
  assert found["moods"] == {"joy": 0.0, "relief": 0.0, "rage": 1.0}


def test_a_slot_behind_a_malformed_field_has_no_probabilities(emotions):
  label = written("positive", 1.0, None, None)
  assert set(emotions.probabilities(np.zeros(8), label)) == {"moods"}
  label = written("positive", None, "joy", "calm")
  assert emotions.probabilities(np.zeros(8), label) == {}


def test_all_labels_make_trees_of_one_shape(emotions):
  labels = [
    written("negative", -1.0, "rage", "tense"),
    written("positive", 2.0, "relief", "calm"),
    written("neutral", None, None, None),
  ]
  shapes = {
    tuple(leaf.shape for leaf in vars(emotions.trees(rows, 3)).values())
    for rows in (labels, labels[:1], labels[2:])
  }
  assert len(shapes) == 1


def test_the_four_corpora_need_few_decoder_tokens():
  """One pass for each class and each number would read 475."""
  schema = LabelSchema.from_slots(synthetic.SLOTS)
  text = LabelText(schema, grid=synthetic.GRID, snap=True, consistent=True)
  slots = [slot for slot in text.slots if slot != "intensity"]
  vocabulary = synthetic.Vocabulary(
    [word for slot in slots for word in text.words(slot)]
  )
  assert Beginnings(vocabulary, text).trees.tokens.shape == (1, 68)
  label = text.parse("negative, -1.67, anger, anger")
  tree = Emotions(vocabulary, text).trees([label], 1)
  assert tree.tokens.shape == (1, 24)
  # Behind so many the whole vocabulary is summed up.
  assert tree.scored.shape == (1, 16)
