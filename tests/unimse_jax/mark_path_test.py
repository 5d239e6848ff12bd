"""What tests/benchmarks/mark_path.py takes for a mark that can be read."""

import numpy as np

from tests.benchmarks import mark_path

_OWN = np.array([[True, True, False, False, False]])
_MASK = np.array([[True, True, True, True, False]])
# The second number of the tokens tells nothing; the last token is padding.
_PLAIN = np.array([[[1, 0], [-1, 0], [1, 5], [-1, 5], [90, 90]]], float)


def test_a_mark_that_all_tokens_share_is_common_and_apart():
  marked = _PLAIN + np.array([3.0, 0.0]) * _OWN[..., None]
  change, common, separation = mark_path.readable(_PLAIN, marked, _OWN, _MASK)
  # Root mean squares of (3, 0) and of (1, 0): 3 / 2**.5 and 1 / 2**.5.
  np.testing.assert_allclose([change, common, separation], [3, 1, 3])


def test_a_mark_that_each_token_answers_its_own_way_is_not_common():
  marked = _PLAIN.copy()
  marked[0, 0] += [1, 2]
  marked[0, 1] += [1, -2]
  change, common, separation = mark_path.readable(_PLAIN, marked, _OWN, _MASK)
  # (1, 0) of (1, 2) and (1, -2): a fifth of the squares. Along it 2 and 0 bear
  # the mark, 1 and -1 do not: both deviate by 1.
  np.testing.assert_allclose([change, common, separation], [5**0.5, 0.2, 1])
