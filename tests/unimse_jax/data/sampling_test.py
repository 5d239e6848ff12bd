"""Shares of corpora: exact counts, whole passes, the same number of batches."""

import collections

import numpy as np
import pytest

from unimse_jax.data import sampling
from unimse_jax.data.batching import plan_epoch

_CORPORA = ["small"] * 4 + ["large"] * 36
_LENGTHS = [8, 8, 8, 16] + [8] * 30 + [16] * 6


@pytest.mark.parametrize(
  ("temperature", "small"), [(1.0, 4), (2.0, 10), (1e9, 20)]
)
def test_a_share_is_the_root_of_the_size(temperature, small):
  """sqrt(4) : sqrt(36) = 2 : 6, of 40 rows 10 and 30."""
  found = sampling.quotas(_CORPORA, _LENGTHS, temperature)
  assert sum(found.values()) == 40
  own = [count for (corpus, _), count in found.items() if corpus == "small"]
  assert sum(own) == small


def test_temperature_one_is_every_row_once():
  rng = np.random.default_rng(0)
  rows = sampling.draw(_CORPORA, _LENGTHS, 1.0, rng)
  assert rows.tolist() == list(range(40))
  # Nothing was drawn: the order of a plain run stays what it was.
  assert rng.integers(1 << 30) == np.random.default_rng(0).integers(1 << 30)


def test_no_row_comes_twice_before_all_came_once():
  for seed in range(5):
    rng = np.random.default_rng(seed)
    counts = collections.Counter(
      sampling.draw(_CORPORA, _LENGTHS, 2.0, rng).tolist()
    )
    small = [counts[row] for row in range(4)]
    assert sum(small) == 10
    assert set(small) <= {2, 3}
    assert {counts[row] for row in range(4, 40)} <= {0, 1}


def plan(epoch: int, seed: int = 0, temperature: float = 2.0):
  return plan_epoch(
    _LENGTHS, (8, 16), 3, seed, epoch, corpora=_CORPORA, temperature=temperature
  )


def test_every_epoch_has_as_many_batches_and_rows_of_its_own():
  plans = [plan(epoch) for epoch in range(6)]
  assert len({len(each) for each in plans}) == 1
  rows = [sorted(r for batch in each for r in batch.rows) for each in plans]
  assert len({tuple(each) for each in rows}) > 1
  for each in plans:
    for batch in each:
      assert all(_LENGTHS[row] <= batch.length for row in batch.rows)


def test_the_plan_follows_from_seed_and_epoch_alone():
  assert plan(3) == plan(3)
  assert plan(3) != plan(4)
  assert plan(3) != plan(3, seed=1)


def test_temperature_one_is_the_plain_order():
  plain = plan_epoch(_LENGTHS, (8, 16), 3, seed=5, epoch=2)
  assert plan(2, seed=5, temperature=1.0) == plain
