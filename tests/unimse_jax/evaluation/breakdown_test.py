"""Scores of parts of a split."""

import numpy as np
import pytest

from unimse_jax.evaluation import breakdown


def sentiment(truth: float, scored: float, speaker: str = "") -> dict:
  return {
    "speaker": speaker,
    "targets": {"polarity": None, "intensity": truth, "emotion": None},
    "scored": {"intensity": scored, "emotion": None},
  }


def emotion(
  truth: str | None, scored: str, sure: float | None, speaker: str = ""
) -> dict:
  chances = {} if sure is None else {"meld": {"joy": 1 - sure, scored: sure}}
  return {
    "speaker": speaker,
    "targets": {"polarity": None, "intensity": None, "emotion": truth},
    "scored": {"intensity": None, "emotion": scored},
    "fields": {"meld": scored},
    "probabilities": chances,
  }


def test_speakers_come_by_their_number_of_utterances():
  rows = [
    sentiment(1.0, 2.0, "Ann"),
    sentiment(1.0, 1.5, "Bob"),
    sentiment(-1.0, -1.5, "Bob"),
    sentiment(3.0, 0.0),
  ]
  bob, ann = breakdown.by_speaker(rows, "intensity")
  assert (bob.name, bob.scores["n"], bob.scores["mae"]) == ("Bob", 2, 0.5)
  assert (ann.name, ann.scores["n"], ann.scores["mae"]) == ("Ann", 1, 1.0)


def test_emotions_of_a_speaker_are_scored_over_all_classes():
  rows = [
    emotion("joy", "joy", None, "Ann"),
    emotion("anger", "joy", None, "Ann"),
  ]
  (ann,) = breakdown.by_speaker(rows, "emotion", ("joy", "anger", "fear"))
  assert ann.scores["acc"] == 0.5
  assert ann.scores["macro_f1"] == pytest.approx(2 / 3 / 3)


def test_without_names_there_are_no_speakers():
  assert breakdown.by_speaker([sentiment(1.0, 1.0)], "intensity") == []


def test_ranges_have_every_utterance_once():
  truths = [-3.0, -2.0, -1.9, -1.0, -0.5, 0.0, 0.5, 1.0, 1.9, 2.0, 3.0]
  ranges = breakdown.by_range([sentiment(y, y + 0.5) for y in truths])
  assert [(each.name, each.n) for each in ranges] == [
    ("-3 to -2", 2),
    ("above -2, to -1", 2),
    ("above -1, below 0", 1),
    ("0", 1),
    ("above 0, below 1", 1),
    ("1 to below 2", 2),
    ("2 to 3", 2),
  ]
  for each in ranges:
    assert each.mae == pytest.approx(0.5)
    assert each.bias == pytest.approx(0.5)


def test_errors_on_both_sides_have_no_bias():
  rows = [sentiment(1.0, 1.5), sentiment(1.5, 1.0)]
  (only,) = breakdown.by_range(rows)
  assert (only.mae, only.bias) == (0.5, 0.0)


def test_coverage_starts_with_what_the_model_is_surest_of():
  rows = [
    emotion("joy", "anger", 0.4),
    emotion("anger", "anger", 0.9),
    emotion("fear", "fear", 0.8),
    emotion("joy", "sadness", 0.6),
  ]
  shares, right = breakdown.coverage(rows, "meld", "emotion")
  assert shares.tolist() == [0.25, 0.5, 0.75, 1.0]
  assert right.tolist() == pytest.approx([1.0, 1.0, 2 / 3, 0.5])
  assert breakdown.area(shares, right) == pytest.approx((2 + 2 / 3 + 0.5) / 4)
  assert breakdown.at(shares, right, 0.5) == 1.0
  assert breakdown.at(shares, right, 0.3) == 1.0
  assert breakdown.at(shares, right, 1.0) == 0.5


def test_equal_confidences_share_their_accuracy():
  rows = [emotion("anger", "anger", 0.7), emotion("joy", "anger", 0.7)]
  for order in (rows, rows[::-1]):
    shares, right = breakdown.coverage(order, "meld", "emotion")
    assert (shares.tolist(), right.tolist()) == ([1.0], [0.5])


def test_what_has_no_probability_or_truth_is_not_covered():
  rows = [emotion("anger", "anger", None), emotion(None, "anger", 0.5)]
  assert breakdown.coverage(rows, "meld", "emotion") is None
  assert breakdown.annotated(rows, "emotion") == rows[:1]


def test_a_useless_confidence_has_the_area_of_the_accuracy():
  rng = np.random.default_rng(0)
  rows = [
    emotion("anger", rng.choice(["anger", "fear"]), rng.uniform(0.3, 1))
    for _ in range(4000)
  ]
  shares, right = breakdown.coverage(rows, "meld", "emotion")
  assert breakdown.area(shares, right) == pytest.approx(0.5, abs=0.03)
