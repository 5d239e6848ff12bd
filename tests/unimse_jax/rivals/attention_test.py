"""Attention to nothing, and heads that do not fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.errors import InputError
from unimse_jax.rivals.attention import Attention


def test_a_row_without_anything_to_read_gets_zeros(fill):
  queries, source = jnp.ones((2, 3, 4)), jnp.full((2, 5, 6), 2.0)
  mask = jnp.array([[True] * 5, [False] * 5])
  attention = Attention(heads=2, dropout=0.0)
  params = fill(attention, queries, source, mask, True)
  found = attention.apply({"params": params}, queries, source, mask, True)
  # Every place holds the same, so that the mean of the values is any of them.
  value, out = params["value"], params["out"]
  read = source[0, 0] @ value["kernel"] + value["bias"]
  expected = read @ out["kernel"] + out["bias"]
  np.testing.assert_allclose(found[0], np.tile(expected, (3, 1)), rtol=1e-5)
  np.testing.assert_array_equal(found[1], np.zeros((3, 4)))


def test_heads_that_do_not_divide_the_width_are_refused(fill):
  states, mask = jnp.ones((1, 2, 4)), jnp.ones((1, 2), bool)
  with pytest.raises(InputError, match="divides the width 4, found heads=3"):
    fill(Attention(heads=3, dropout=0.0), states, states, mask, True)
