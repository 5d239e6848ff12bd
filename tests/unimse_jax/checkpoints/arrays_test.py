"""Names and comparison of the arrays of a state."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from unimse_jax.checkpoints import arrays
from unimse_jax.errors import InputError


def test_names_follow_dicts_tuples_and_named_tuples():
  params = {"dense": {"kernel": jnp.zeros((2, 3), jnp.bfloat16)}}
  state = {"params": params, "opt_state": optax.adam(1.0).init(params)}
  assert arrays.describe(arrays.name_arrays(state)) == {
    "opt_state/0/count": "int32[]",
    "opt_state/0/mu/dense/kernel": "bfloat16[2, 3]",
    "opt_state/0/nu/dense/kernel": "bfloat16[2, 3]",
    "params/dense/kernel": "bfloat16[2, 3]",
  }


def test_nest_and_pick_are_inverse():
  named = {("a", "b"): 1, ("a", "c", "0"): 2, ("d",): 3}
  nested = arrays.nest(named)
  assert nested == {"a": {"b": 1, "c": {"0": 2}}, "d": 3}
  assert {path: arrays.pick(nested, path) for path in named} == named


def test_numpy_leaves_are_copied():
  leaf = np.zeros(2, np.float32)
  named = arrays.name_arrays({"x": leaf})
  leaf[:] = 1
  assert named[("x",)].tolist() == [0, 0]


@pytest.mark.parametrize(
  "leaf",
  [
    jax.random.key(0),
    np.array("text"),
    np.array([None]),
    np.zeros(2, np.float64),
    jnp.zeros((0, 2)),
  ],
  ids=["typed key", "text", "object", "float64", "empty"],
)
def test_leaves_that_would_not_come_back_are_refused(leaf):
  with pytest.raises(TypeError, match="a/b: expected"):
    arrays.name_arrays({"a": {"b": leaf}})


def test_check_same_lists_every_difference_at_once():
  found = {"same": "int32[]", "shape": "int32[2]", "extra": "int32[]"}
  expected = {"same": "int32[]", "shape": "int32[3]", "gone": "int32[]"}
  with pytest.raises(InputError) as error:
    arrays.check_same(found, expected, "/run/4")
  assert str(error.value).splitlines()[1:] == [
    "  extra: expected nothing, found int32[]",
    "  gone: expected int32[], found nothing",
    "  shape: expected int32[3], found int32[2]",
  ]
