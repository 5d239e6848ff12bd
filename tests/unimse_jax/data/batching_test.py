"""Every row once an epoch, the same plan again, and exact arrays."""

import collections
import threading

import numpy as np
import pytest

from configs import base
from unimse_jax import config as config_lib
from unimse_jax.benchmarking import synthetic
from unimse_jax.data import batching, packing
from unimse_jax.data.batching import Encoded

_BUCKETS = (8, 16, 32)
_LENGTHS = np.random.default_rng(0).integers(1, 33, 101).tolist()
_CORPORA = ["a"] * 60 + ["b"] * 41


def plans(epoch: int, seed: int = 3, size: int = 7, **options):
  return batching.plan_epoch(
    _LENGTHS, _CORPORA, _BUCKETS, group(size), seed, epoch, **options
  )


def group(size: int, devices: int = 1) -> np.ndarray:
  return packing.group_rows(size, devices, 1)


def test_every_row_comes_exactly_once():
  for epoch in range(3):
    rows = [row for plan in plans(epoch) for row in plan.rows]
    assert sorted(rows) == list(range(101))


def test_every_row_fits_its_batch_and_every_batch_its_rows():
  for plan in plans(0):
    lengths = np.array([_LENGTHS[row] for row in plan.rows])
    assert plan.length >= lengths.max()
    rows, room = plan.packed
    assert room >= plan.length
    assert 7 > rows >= packing.rows_needed([lengths], room, group(7))


def test_what_would_save_no_row_is_not_packed():
  found = batching.plan_epoch([9] * 40, ["a"] * 40, (16,), group(4), 0, 0)
  assert {(plan.length, plan.packed) for plan in found} == {(16, None)}


def test_without_packing_batches_hold_the_same_rows():
  alone = plans(0, packs=False)
  assert {plan.packed for plan in alone} == {None}
  assert [(set(plan.rows), plan.length) for plan in alone] == [
    (set(plan.rows), plan.length) for plan in plans(0)
  ]


@pytest.mark.parametrize("size", [1, 7, 10, 50, 51, 60, 100])
def test_no_batch_is_much_smaller_than_another(size):
  found = [len(plan.rows) for plan in plans(0, size=size)]
  assert len(found) == -(-101 // size)
  assert max(found) - min(found) <= 1
  assert size >= max(found) >= min(found) >= size / 2


def test_a_batch_larger_than_the_data_is_one_short_batch():
  found = batching.plan_epoch([3, 4], ["a", "b"], _BUCKETS, group(96), 0, 0)
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


def test_every_batch_gets_one_row_of_each_run():
  """Two corpora of six rows each in three batches of four."""
  lengths = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
  corpora = ["short"] * 6 + ["long"] * 6
  seen = set()
  for epoch in range(20):
    found = batching.plan_epoch(lengths, corpora, (16,), group(4), 0, epoch)
    assert len(found) == 3
    for plan in found:
      rows = sorted(plan.rows)
      assert [row // 3 for row in rows] == [0, 1, 2, 3]
      seen.add(tuple(rows))
  # 60 batches of 81 possible ones; the same again and again would be 3.
  assert len(seen) > 30


def test_the_longest_texts_share_batches_of_their_own():
  lengths = [8] * 995 + [30] * 5
  found = batching.plan_epoch(lengths, ["a"] * 1000, _BUCKETS, group(10), 0, 0)
  long = [plan for plan in found if plan.length == 32]
  assert len(long) == 1
  assert set(range(995, 1000)) < set(long[0].rows)
  assert {plan.length for plan in found} == {8, 32}


@pytest.fixture(scope="module")
def four_corpora() -> tuple[np.ndarray, list[str], tuple[int, ...]]:
  """Modelled lengths of the paper's four train sets, and the default."""
  config = config_lib.validate(base.get_config().to_dict())
  lengths = synthetic.text_lengths(config.text)
  return lengths, synthetic.row_corpora(), config.data.buckets


@pytest.mark.parametrize("devices", [1, 8])
def test_batches_mix_as_plain_shuffling_does_and_pad_little(
  four_corpora, devices
):
  lengths, corpora, buckets = four_corpora
  names = np.array(corpora)
  groups = group(96, devices)
  found = batching.plan_epoch(lengths, corpora, buckets, groups, 0, 0)
  for name in set(corpora):
    share = (names == name).mean()
    shares = [(names[list(plan.rows)] == name).mean() for plan in found]
    plain = np.sqrt(share * (1 - share) / 96)
    assert np.std(shares) <= 2 * plain, name
  read = sum(devices * np.prod(plan.packed) for plan in found)
  # Twelve texts a device leave more room in their rows than 96 do.
  assert read / lengths.sum() <= (1.06 if devices == 1 else 1.12)
  # Each shape is compiled: one for most batches, one for the longest texts.
  shapes = {(plan.length, plan.packed) for plan in found}
  later = batching.plan_epoch(lengths, corpora, buckets, groups, 0, 7)
  assert {(plan.length, plan.packed) for plan in later} == shapes
  assert len(shapes) == 2


def test_small_batches_have_a_shape_for_most_and_one_for_the_fullest(
  four_corpora,
):
  lengths, corpora, buckets = four_corpora
  shapes = set()
  for epoch in (0, 5):
    found = batching.plan_epoch(lengths, corpora, buckets, group(4), 0, epoch)
    used = collections.Counter(plan.shape for plan in found)
    shapes |= used.keys()
    read = sum(np.prod(plan.packed) for plan in found)
    assert read / lengths.sum() < 1.45  # all in the fullest's: 2.07
    for plan in found:
      rows, room = plan.packed
      own = lengths[list(plan.rows)]
      assert rows >= packing.rows_needed([own], room, group(4))
  assert shapes == {(160, (2, 160)), (160, (3, 160)), (512, (2, 704))}
  assert used[160, (2, 160)] > 0.9 * len(found)


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


def test_two_batches_are_made_at_once():
  both = threading.Barrier(2, timeout=30)
  assert len(list(batching.prefetch(lambda number: both.wait(), range(4)))) == 4


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
