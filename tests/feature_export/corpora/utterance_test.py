"""Tests of the corpus gate and of dialogue contexts."""

from dataclasses import replace

import pytest

from feature_export.corpora.schemes import MELD
from feature_export.corpora.utterance import (
  Corpus,
  Utterance,
  resolve_polarity,
  validate,
  with_contexts,
)
from feature_export.errors import InputError

SOUND = (
  Utterance("a", "train", "one", emotion="joy"),
  Utterance("b", "validation", "two", emotion="anger"),
)


def _fault_of(*utterances: Utterance) -> str:
  with pytest.raises(InputError) as caught:
    validate(Corpus("mine", (*SOUND, *utterances), MELD))
  return str(caught.value)


def _label(**labels) -> Utterance:
  return Utterance("c", "train", "three", **labels)


def test_validate_accepts_a_sound_corpus():
  validate(Corpus("mine", SOUND, MELD))
  # The limits belong to the range, and a corpus may have no test split.
  validate(
    Corpus("mine", (*SOUND, _label(polarity="negative", intensity=-3.0)), MELD)
  )


@pytest.mark.parametrize(
  ("utterance", "message"),
  [
    (_label(emotion="excited"), "c: 'excited'"),
    (_label(intensity=3.1), "c: 3.1"),
    (_label(intensity=float("nan")), "c: nan"),
    (_label(polarity="happy"), "c: 'happy'"),
    (_label(polarity="positive", intensity=-0.5), "c: positive and -0.5"),
    (_label(polarity="neutral", intensity=0.5), "c: neutral and 0.5"),
    (Utterance("a", "train", "x", emotion="joy"), "a in train"),
    (Utterance("a", "test", "x", emotion="joy"), "a: train and test"),
    (Utterance("c", "dev", "x", emotion="joy"), "c: 'dev'"),
    (Utterance("", "train", "x", emotion="joy"), "empty id"),
  ],
)
def test_validate_names_each_fault(utterance, message):
  assert message in _fault_of(utterance)


def test_validate_refuses_a_dialogue_in_two_splits():
  faults = _fault_of(
    Utterance("c", "train", "x", dialogue="d1"),
    Utterance("d", "test", "x", dialogue="d1"),
  )
  assert "d1: train and test" in faults


def test_validate_needs_labelled_train_and_validation():
  unlabelled = replace(SOUND[1], emotion="")
  with pytest.raises(InputError) as caught:
    validate(Corpus("mine", (SOUND[0], unlabelled), MELD))
  assert "validation) (1):\n  validation\n" in str(caught.value)
  with pytest.raises(InputError) as caught:
    validate(Corpus("mine", (), None))
  assert "  train\n  validation" in str(caught.value)


def test_validate_needs_a_scheme_for_emotions():
  with pytest.raises(InputError, match="give --scheme"):
    validate(Corpus("mine", SOUND, None))


def test_validate_collects_all_kinds_and_counts_beyond_ten():
  many = [
    Utterance(f"u{number}", "train", "x", emotion="bored")
    for number in range(12)
  ]
  faults = _fault_of(*many, _label(intensity=9.0))
  assert "(12):" in faults
  assert "u9: 'bored'" in faults
  assert "u10: 'bored'" not in faults
  assert "... and 2 more" in faults
  assert "c: 9.0" in faults


def test_contexts_go_by_position_not_by_number():
  # Turn 2 is missing, and the rows are not in order.
  turns = [
    Utterance("d", "train", "four", "x", 4, "B"),
    Utterance("a", "train", "one", "x", 0, "A"),
    Utterance("c", "train", "three", "x", 3, "A"),
    Utterance("b", "train", "two", "x", 1, "B"),
    Utterance("other", "train", "else", "y", 2, "C"),
    Utterance("alone", "train", "nobody"),
  ]
  four, one, three, _, other, alone = with_contexts(turns, limit=2)
  assert three == replace(
    turns[2],
    before=("two", "one"),
    after=("four",),
    before_speakers=("B", "A"),
    after_speakers=("B",),
  )
  assert four == replace(
    turns[0], before=("three", "two"), before_speakers=("A", "B")
  )
  assert one.before == ()
  assert other == turns[4]
  # No dialogue is no dialogue, not one that all such rows share.
  assert alone == turns[5]


def test_a_context_of_its_own_stays_in_a_dialogue():
  own = Utterance("a", "train", "one", "x", 0, before=("so",), own_context=True)
  alone = Utterance("b", "train", "two", "x", 1, own_context=True)
  other = Utterance("c", "train", "three", "x", 2)
  found = with_contexts([own, alone, other])
  assert found[:2] == [own, alone]
  assert found[2].before == ("two", "one")


def _resolve(utterance, scheme):
  labels = utterance.polarity, utterance.intensity, utterance.emotion
  return resolve_polarity(*labels, scheme)


def test_polarity_prefers_gold_then_sign_then_scheme():
  gold = _label(polarity="negative", emotion="surprise")
  assert _resolve(gold, MELD) == "negative"
  # The sign wins over the class: joy would be positive.
  signed = _label(intensity=-0.2, emotion="joy")
  assert _resolve(signed, MELD) == "negative"
  assert _resolve(_label(intensity=0.0), None) == "neutral"
  assert _resolve(_label(emotion="fear"), MELD) == "negative"
  assert _resolve(_label(emotion="surprise"), MELD) == ""
