"""Shares of corpora: exact counts, whole passes."""

import collections

import numpy as np
import pytest

from unimse_jax.data import sampling

_CORPORA = ["small"] * 4 + ["large"] * 36


@pytest.mark.parametrize(
  ("temperature", "small"), [(1.0, 4), (2.0, 10), (1e9, 20)]
)
def test_a_share_is_the_root_of_the_size(temperature, small):
  """sqrt(4) : sqrt(36) = 2 : 6, of 40 rows 10 and 30."""
  found = sampling.quotas(_CORPORA, temperature)
  assert found == {"small": small, "large": 40 - small}


def test_temperature_one_is_every_row_once():
  rng = np.random.default_rng(0)
  rows = sampling.draw(_CORPORA, 1.0, rng)
  assert rows.tolist() == list(range(40))
  # Nothing was drawn: the order of a plain run stays what it was.
  assert rng.integers(1 << 30) == np.random.default_rng(0).integers(1 << 30)


def test_no_row_comes_twice_before_all_came_once():
  drawn = []
  for seed in range(5):
    rng = np.random.default_rng(seed)
    counts = collections.Counter(sampling.draw(_CORPORA, 2.0, rng).tolist())
    small = [counts[row] for row in range(4)]
    assert sum(small) == 10
    assert set(small) <= {2, 3}
    assert {counts[row] for row in range(4, 40)} <= {0, 1}
    drawn.append(tuple(sorted(counts.elements())))
  assert len(set(drawn)) > 1
