"""Every row once an epoch, the same plan again, and exact arrays."""

import threading

import numpy as np
import pytest

from unimse_jax.data import batching
from unimse_jax.data.batching import Encoded

_BUCKETS = (8, 16, 32)
_LENGTHS = np.random.default_rng(0).integers(1, 33, 101).tolist()


def plans(epoch: int, seed: int = 3, size: int = 7):
  return batching.plan_epoch(_LENGTHS, _BUCKETS, size, seed, epoch)


def test_every_row_comes_exactly_once():
  for epoch in range(3):
    rows = [row for plan in plans(epoch) for row in plan.rows]
    assert sorted(rows) == list(range(101))


def test_every_row_fits_its_bucket_and_no_smaller_one():
  for plan in plans(0):
    for row in plan.rows:
      fitting = [length for length in _BUCKETS if length >= _LENGTHS[row]]
      assert plan.length == fitting[0]


def test_a_bucket_has_at_most_one_short_batch():
  found = plans(0)
  for length in _BUCKETS:
    sizes = [len(plan.rows) for plan in found if plan.length == length]
    assert sorted(sizes, reverse=True)[:-1] == [7] * (len(sizes) - 1)
    assert 1 <= min(sizes) <= 7


def test_the_number_of_batches_is_the_same_in_every_epoch():
  assert len({len(plans(epoch)) for epoch in range(20)}) == 1


def test_the_plan_is_of_seed_and_epoch_alone():
  assert plans(2) == plans(2)
  assert plans(2) != plans(3)
  assert plans(2) != plans(2, seed=4)
  # (seed, epoch) is no sum: neighbouring seeds share no epoch.
  assert plans(3, seed=3) != plans(2, seed=4)


def test_short_batches_are_not_all_at_the_end():
  ends = [len(plans(epoch)[-1].rows) for epoch in range(20)]
  assert 7 in ends
  assert min(ends) < 7


def test_a_batch_larger_than_the_data_is_one_short_batch():
  found = batching.plan_epoch([3, 4], _BUCKETS, 96, 0, 0)
  assert [sorted(plan.rows) for plan in found] == [[0, 1]]


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
