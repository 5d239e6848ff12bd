"""Every dialogue whole, in one batch, in its own order."""

import collections

import numpy as np
import pytest

from unimse_jax.data.dialogues import Dialogues
from unimse_jax.data.records import Record
from unimse_jax.errors import InputError


def record(dialogue: str, turn: int, speaker: str = "") -> Record:
  own = {"dialogue": dialogue, "turn": turn, "speaker": speaker}
  return Record(id=f"{dialogue}{turn}", text="", corpus="meld", **own)


def test_utterances_are_ordered_by_turn_and_speakers_by_their_first():
  records = [
    record("a", 2, "Ann"),
    record("b", 0, "Ann"),
    record("a", 0, "Bob"),
    record("a", 1, "Ann"),
  ]
  found = Dialogues.of(records)
  assert found.rows == ((2, 3, 0), (1,))
  assert found.speakers == (1, 0, 0, 1)


def test_an_utterance_of_no_dialogue_is_one_of_its_own():
  assert Dialogues.of([record("", 0), record("", 0)]).rows == ((0,), (1,))


def test_one_name_in_two_corpora_is_two_dialogues():
  other = Record(id="x", text="", corpus="iemocap", dialogue="a", turn=1)
  assert Dialogues.of([record("a", 0), other]).rows == ((0,), (1,))


def test_turns_that_are_equal_within_a_dialogue_are_refused():
  shuffled = [record("a", 0), record("b", 0), record("a", 0)]
  with pytest.raises(InputError) as caught:
    Dialogues.of([*shuffled, record("c", 1), record("c", 1)])
  message = str(caught.value)
  assert "meld, dialogue 'a': found turn 0 in 2 of 2 utterances" in message
  assert "'b'" not in message
  assert "Export these corpora again" in message


@pytest.fixture
def many() -> Dialogues:
  """60 dialogues of 1 to 9 utterances."""
  rng = np.random.default_rng(0)
  return Dialogues.of(
    [
      record(f"d{number}", turn)
      for number in range(60)
      for turn in range(rng.integers(1, 10))
    ]
  )


def test_each_epoch_has_every_dialogue_whole_once_and_as_many_batches(many):
  count = sum(map(len, many.rows))
  lengths = np.arange(count) % 30 + 1
  dialogue_of = {row: own for own in many.rows for row in own}
  epochs = [
    many.plans(lengths, (16, 32), 32, np.random.default_rng(epoch))
    for epoch in range(4)
  ]
  assert len({len(plans) for plans in epochs}) == 1
  assert len(epochs[0]) == -(-count // 32)  # no more than are needed
  for plans in epochs:
    rows = [row for plan in plans for row in plan.rows]
    assert sorted(rows) == list(range(count))
    for plan in plans:
      assert len(plan.rows) <= 32
      assert plan.length == (16 if lengths[[*plan.rows]].max() <= 16 else 32)
      found = collections.Counter(dialogue_of[row] for row in plan.rows)
      assert all(len(own) == number for own, number in found.items())
  assert len({tuple(plans[0].rows) for plans in epochs}) == 4
  again = many.plans(lengths, (16, 32), 32, np.random.default_rng(1))
  assert again == epochs[1]


def test_arrays_lead_from_places_in_the_batch_to_dialogues(many):
  (plan, *_) = many.plans([1] * 400, (1,), 32)
  found = many.arrays(plan.rows, divisor=4)
  rows, speakers = found["dialogue_rows"], found["dialogue_speakers"]
  assert rows.shape == speakers.shape
  assert rows.shape[1] == 16  # the longest has 9, and 8 divides
  assert rows.shape[0] in (4, 8, 16, 32)
  names = {tuple(plan.rows[at] for at in row if at >= 0) for row in rows}
  assert names - {()} <= {*many.rows}
  assert sorted(rows[rows >= 0]) == list(range(len(plan.rows)))


def test_a_dialogue_longer_than_a_batch_is_refused():
  long = Dialogues.of([record("a", turn) for turn in range(9)])
  with pytest.raises(InputError, match=r"batch_size: expected at least 9"):
    long.plans([1] * 9, (1,), 8)
