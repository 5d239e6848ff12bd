"""Neighbouring numbers: the kernel, the sign, and what is left alone."""

import numpy as np
import pytest

from unimse_jax.labels import NeighbouringNumbers, UniversalLabel

_VALUES = (-1.0, -0.2, 0.0, 0.2, 0.6, 1.0, 3.0)
_LABEL = UniversalLabel("positive", 0.6, {"meld": "joy"}, {"meld": {}})


def test_numbers_are_drawn_as_often_as_the_kernel_says():
  numbers = NeighbouringNumbers(_VALUES, 0.4)
  rng = np.random.default_rng(0)
  drawn = [numbers.draw(_LABEL, rng).intensity for _ in range(4000)]
  near = np.array([0.2, 0.6, 1.0, 3.0])
  weights = np.exp(-0.5 * ((near - 0.6) / 0.4) ** 2)
  np.testing.assert_allclose(
    numbers.shares(0.6), [0, 0, 0, *weights / weights.sum()]
  )
  shares = [drawn.count(value) / len(drawn) for value in near]
  assert sum(shares) == 1  # none of another sign, nor 0
  # Four standard deviations of a share of 4000 draws: 4 * 0.5 / sqrt(4000).
  np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.032)


def test_all_but_the_number_stays():
  numbers = NeighbouringNumbers(_VALUES, 10.0)
  rng = np.random.default_rng(1)
  drawn = [numbers.draw(_LABEL, rng) for _ in range(50)]
  assert len({label.intensity for label in drawn}) == 4
  for label in drawn:
    assert (label.polarity, label.emotions) == ("positive", {"meld": "joy"})
    assert label.donors == {"meld": {}}


@pytest.mark.parametrize("value", [0.0, None])
def test_zero_and_no_number_stay(value):
  label = UniversalLabel("neutral", value, {})
  numbers = NeighbouringNumbers(_VALUES, 10.0)
  assert numbers.draw(label, np.random.default_rng(0)) is label


def test_a_narrow_kernel_leaves_rated_numbers_alone():
  numbers = NeighbouringNumbers(_VALUES, 0.01)
  rng = np.random.default_rng(0)
  for value in _VALUES:
    label = UniversalLabel("", value, {})
    assert numbers.draw(label, rng).intensity == value
