"""Texts share rows without overlap, and groups have like numbers of tokens."""

import numpy as np
import pytest

from unimse_jax.data import packing


def test_groups_are_a_devices_part_of_a_batch():
  # Rows 0 to 5 are the first device's; odd ones are worked off second.
  assert packing.group_rows(12, 2, 2).tolist() == [
    [0, 2, 4],
    [1, 3, 5],
    [6, 8, 10],
    [7, 9, 11],
  ]


@pytest.mark.parametrize("count", [12, 11, 1])
def test_every_text_gets_a_row_and_groups_about_as_many_tokens(count):
  lengths = np.random.default_rng(0).integers(1, 100, count)
  groups = packing.group_rows(12, 2, 2)
  rows = packing.spread(lengths, groups)
  assert sorted(rows) == list(range(count))
  tokens = [lengths[rows[each[each < count]]].sum() for each in groups]
  if count == 12:
    assert max(tokens) - min(tokens) < lengths.max()


def test_the_longest_go_first_and_into_the_fullest_row():
  assert packing.fill([3, 8, 5, 2, 2], 10) == [[1, 3], [2, 0, 4]]
  assert packing.fill([], 10) == []


def test_rows_are_few_and_never_too_full():
  rng = np.random.default_rng(0)
  for _ in range(20):
    lengths = rng.integers(1, 33, 50).tolist()
    rows = packing.fill(lengths, 32)
    assert sorted(text for row in rows for text in row) == list(range(50))
    assert max(sum(lengths[text] for text in row) for row in rows) <= 32
    # Texts of more than half a row share it with no other of these.
    least = max(-(-sum(lengths) // 32), sum(each > 16 for each in lengths))
    assert len(rows) <= 11 / 9 * least + 1


def test_a_length_of_rows_that_wastes_little_is_chosen():
  """Three of 30 tokens in 96 places, not two in 64; long rows cost more."""
  groups = packing.group_rows(12, 1, 1)
  batches = [np.full(12, 30)] * 2
  assert packing.row_length(batches, 32, groups) == 32
  assert packing.rows_needed(batches, 32, groups) == 12
  batches = [np.full(12, 20)] * 2
  assert packing.row_length(batches, 32, groups) == 48
  assert packing.rows_needed(batches, 48, groups) == 6
  batches = [np.full(12, 10), np.full(12, 14)]
  assert packing.rows_needed(batches, 32, groups) == 6


def test_most_batches_take_fewer_rows_than_the_fullest():
  # Two rows for 90 of 100 spare 90 x 2 / 4 batches, one row 60 x 3 / 4.
  needs = [1] * 60 + [2] * 30 + [4] * 10
  assert packing.fewer_rows(needs, worth=45) == 1
  assert packing.fewer_rows([2] * 90 + [4] * 10, worth=45) == 2
  assert packing.fewer_rows([2] * 90 + [4] * 10, worth=46) == 0
  assert packing.fewer_rows([3] * 100, worth=1) == 0


def test_arrays_of_a_written_out_case():
  """Texts of 3, 1 and 2 tokens and an empty row; rows of 4 or of 5."""
  groups = packing.group_rows(4, 1, 1)
  lengths = np.array([3, 1, 2])
  assert packing.rows_needed([lengths], 4, groups) == 2
  found = packing.arrays(lengths, 4, groups, (2, 4))
  assert found["packed_places"].tolist() == [[[0, 1, 2, 4], [8, 9, 16, 16]]]
  assert found["unpacked_places"].tolist() == [
    [[0, 1, 2, 8], [3, 8, 8, 8], [4, 5, 8, 8], [8, 8, 8, 8]]
  ]
  found = packing.arrays(lengths, 4, groups, (2, 5))
  assert found["packed_places"].tolist() == [
    [[0, 1, 2, 8, 9], [4, 16, 16, 16, 16]]
  ]
  assert found["unpacked_places"].tolist() == [
    [[0, 1, 2, 10], [5, 10, 10, 10], [3, 4, 10, 10], [10, 10, 10, 10]]
  ]
