"""Every row once an epoch, the same plan again, and exact arrays."""

import threading

import numpy as np
import pytest

from configs import base
from unimse_jax import config as config_lib
from unimse_jax.benchmarking import synthetic
from unimse_jax.config import DataConfig
from unimse_jax.data import batching
from unimse_jax.data.batching import Encoded

_BUCKETS = (8, 16, 32)
_LENGTHS = np.random.default_rng(0).integers(1, 33, 101).tolist()
_CORPORA = ["a"] * 60 + ["b"] * 41


def plans(epoch: int, seed: int = 3, size: int = 7, **options):
  return batching.plan_epoch(
    _LENGTHS, _CORPORA, _BUCKETS, size, seed, epoch, **options
  )


@pytest.mark.parametrize("mixing", [0.0, 0.5, 1.0])
def test_every_row_comes_exactly_once(mixing):
  for epoch in range(3):
    rows = [row for plan in plans(epoch, mixing=mixing) for row in plan.rows]
    assert sorted(rows) == list(range(101))


def test_a_batch_is_as_long_as_its_longest_row_asks_for():
  for plan in plans(0):
    longest = max(_LENGTHS[row] for row in plan.rows)
    assert plan.length == min(each for each in _BUCKETS if each >= longest)


@pytest.mark.parametrize("size", [1, 7, 10, 50, 51, 60, 100])
def test_no_batch_is_much_smaller_than_another(size):
  found = [len(plan.rows) for plan in plans(0, size=size)]
  assert len(found) == -(-101 // size)
  assert max(found) - min(found) <= 1
  assert size >= max(found) >= min(found) >= size / 2


def test_a_batch_larger_than_the_data_is_one_short_batch():
  found = batching.plan_epoch([3, 4], ["a", "b"], _BUCKETS, 96, 0, 0)
  assert [sorted(plan.rows) for plan in found] == [[0, 1]]


def test_the_number_of_batches_is_the_same_in_every_epoch():
  for temperature in (1.0, 2.0):
    counts = {len(plans(epoch, temperature=temperature)) for epoch in range(20)}
    assert counts == {15}


def test_the_plan_is_of_seed_and_epoch_alone():
  assert plans(2) == plans(2)
  assert plans(2) != plans(3)
  assert plans(2) != plans(2, seed=4)
  # (seed, epoch) is no sum: neighbouring seeds share no epoch.
  assert plans(3, seed=3) != plans(2, seed=4)


def test_mixing_says_whether_corpora_of_other_lengths_meet():
  """Eight short and eight long rows in batches of four."""
  lengths = [*range(1, 9), *range(11, 19)]
  corpora = ["short"] * 8 + ["long"] * 8

  def batches(mixing: float) -> list[list[int]]:
    found = batching.plan_epoch(
      lengths, corpora, (16, 32), 4, 0, 0, mixing=mixing
    )
    return sorted(sorted(lengths[row] for row in plan.rows) for plan in found)

  assert batches(0.0) == [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
    [11, 12, 13, 14],
    [15, 16, 17, 18],
  ]
  assert batches(1.0) == [
    [1, 2, 11, 12],
    [3, 4, 13, 14],
    [5, 6, 15, 16],
    [7, 8, 17, 18],
  ]


def test_lengths_do_not_follow_one_another_in_order():
  found = [plan.length for plan in plans(0, mixing=0.0)]
  assert found != sorted(found)
  assert found != sorted(found, reverse=True)


def test_a_row_meets_others_in_every_epoch():
  """Windows are drawn anew: it is not the neighbour in length every time."""
  rng = np.random.default_rng(0)
  lengths = rng.integers(1, 33, 4000)
  met = set()
  for epoch in range(8):
    found = batching.plan_epoch(lengths, ["a"] * 4000, _BUCKETS, 20, 0, epoch)
    met |= next(set(plan.rows) for plan in found if 0 in plan.rows)
  # Eight times 19 others of some 125 of its length.
  assert len(met) > 60


@pytest.fixture(scope="module")
def four_corpora() -> tuple[np.ndarray, list[str], DataConfig]:
  """Modelled lengths of the paper's four train sets, and the default."""
  config = config_lib.validate(base.get_config().to_dict())
  lengths = synthetic.text_lengths(config.text)
  return lengths, synthetic.row_corpora(), config.data


def test_the_default_mixes_almost_as_plain_shuffling_does(four_corpora):
  lengths, corpora, data = four_corpora
  names = np.array(corpora)
  found = batching.plan_epoch(
    lengths, corpora, data.buckets, 96, 0, 0, mixing=data.mixing
  )
  for name in set(corpora):
    share = (names == name).mean()
    shares = [(names[list(plan.rows)] == name).mean() for plan in found]
    plain = np.sqrt(share * (1 - share) / 96)
    assert np.std(shares) <= 2 * plain, name
  # All batches have dialogues in them, which are twice as long as MOSEI's
  # sentences, half of all rows; shuffled at random it would be 3.5.
  padding = 96 * sum(plan.length for plan in found) / lengths.sum()
  assert padding <= 1.85


def test_without_mixing_little_is_padded(four_corpora):
  lengths, corpora, data = four_corpora
  found = batching.plan_epoch(
    lengths, corpora, data.buckets, 96, 0, 0, mixing=0.0
  )
  padding = 96 * sum(plan.length for plan in found) / lengths.sum()
  assert padding <= 1.25


def test_evaluation_goes_by_length_and_reads_every_row_once():
  found = batching.plan_in_order(_LENGTHS, _BUCKETS, 7)
  rows = [row for plan in found for row in plan.rows]
  assert sorted(rows) == list(range(101))
  lengths = [_LENGTHS[row] for row in rows]
  assert lengths == sorted(lengths)
  assert [len(plan.rows) for plan in found] == [7] * 14 + [3]
  for plan in found:
    assert plan.length >= max(_LENGTHS[row] for row in plan.rows)


def test_collate_text_of_a_written_out_case():
  rows = [
    Encoded([5, 6, 7, 1], [0, 1, 1, 0], [8, 9, 1], [1.0, 0.5, 1.0]),
    Encoded([5, 1], [1, 0], [8, 1], [1.0, 1.0]),
  ]
  batch = batching.collate_text(rows, size=3, length=5, target_length=4)
  expected = {
    "encoder_input_tokens": [[5, 6, 7, 1, 0], [5, 1, 0, 0, 0], [0] * 5],
    "segment_ids": [[0, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0] * 5],
    "encoder_mask": [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0] * 5],
    "decoder_input_tokens": [[0, 8, 9, 1], [0, 8, 1, 0], [0] * 4],
    "decoder_target_tokens": [[8, 9, 1, 0], [8, 1, 0, 0], [0] * 4],
    "loss_weights": [[1, 0.5, 1, 0], [1, 1, 0, 0], [0] * 4],
  }
  kinds = dict.fromkeys(expected, np.int32)
  kinds |= {"encoder_mask": np.bool_, "loss_weights": np.float32}
  assert set(batch) == set(expected)
  for name, values in expected.items():
    np.testing.assert_array_equal(batch[name], values, err_msg=name)
    assert batch[name].dtype == kinds[name], name


def test_a_target_too_long_is_cut_but_ends():
  rows = [Encoded([1], [0], [8, 9, 10, 11, 1], [1.0] * 5)]
  batch = batching.collate_text(rows, size=1, length=2, target_length=3)
  assert batch["decoder_target_tokens"].tolist() == [[8, 9, 1]]
  assert batch["loss_weights"].tolist() == [[1, 1, 1]]


def test_frames_are_padded_cut_and_marked():
  rows = [np.full((2, 2), 1.0), np.zeros((0, 2)), np.full((5, 2), 3.0)]
  values, mask = batching.collate_frames(rows, size=4, frames=3, width=2)
  assert values.dtype == np.float32
  assert values[:, :, 0].tolist() == [[1, 1, 0], [0] * 3, [3] * 3, [0] * 3]
  expected = [[True, True, False], [False] * 3, [True] * 3, [False] * 3]
  assert mask.tolist() == expected


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_prefetch_keeps_the_order(count):
  assert list(batching.prefetch(lambda n: n * 10, range(count))) == [
    10 * number for number in range(count)
  ]


def test_prefetch_stays_a_few_ahead_and_stops_when_left():
  made = []
  batches = batching.prefetch(made.append, range(100))
  next(batches)
  batches.close()
  assert len(made) <= 4
  assert not [
    thread
    for thread in threading.enumerate()
    if thread.name.startswith("ThreadPoolExecutor") and thread.is_alive()
  ]


def test_an_error_while_making_a_batch_comes_out():
  def make(number):
    raise OSError("disk gone")

  with pytest.raises(OSError, match="disk gone"):
    list(batching.prefetch(make, range(3)))
