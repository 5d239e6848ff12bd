"""Rules by path."""

import numpy as np
import pytest

from unimse_jax.parallel import trees

_TREE = {"t5": {"norm": {"scale": 1}, "wi": {"kernel": 2}}, "other": [3, 4]}


def test_paths_are_joined_by_slashes():
  expected = ["other/0", "other/1", "t5/norm/scale", "t5/wi/kernel"]
  assert trees.paths(_TREE) == expected


def test_the_first_match_wins():
  rules = (("scale$", "a"), ("^t5", "b"), (".*", "c"))
  assert trees.match(rules, _TREE) == {
    "t5": {"norm": {"scale": "a"}, "wi": {"kernel": "b"}},
    "other": ["c", "c"],
  }


def test_every_path_without_a_rule_is_named():
  with pytest.raises(ValueError, match="none of") as caught:
    trees.match((("^t5/norm", 0),), _TREE)
  message = str(caught.value)
  for path in ("t5/wi/kernel", "other/0", "other/1"):
    assert path in message
  assert "'t5/norm/scale'" not in message


def test_map_with_paths_sees_path_and_leaf():
  seen = {}
  trees.map_with_paths(seen.__setitem__, {"a": {"b": np.int32(5)}})
  assert seen == {"a/b": 5}
