"""Masks against matrices written out."""

import jax.numpy as jnp
import numpy as np

from unimse_jax.models import masks

_NO = masks.NEGATIVE


def test_padding_bias_hides_padded_keys():
  bias = masks.padding_bias(jnp.array([[True, True, False], [False] * 3]))
  assert bias.dtype == jnp.float32
  assert bias.shape == (2, 1, 1, 3)
  np.testing.assert_array_equal(bias[:, 0, 0], [[0, 0, _NO], [_NO] * 3])


def test_causal_bias_hides_later_keys():
  positions = jnp.arange(3)
  bias = masks.causal_bias(positions, positions)
  assert bias.dtype == jnp.float32
  expected = [[0, _NO, _NO], [0, 0, _NO], [0, 0, 0]]
  np.testing.assert_array_equal(bias, [[expected]])


def test_causal_bias_of_one_query_in_a_cache():
  bias = masks.causal_bias(jnp.array([2]), jnp.arange(5))
  np.testing.assert_array_equal(bias, [[[[0, 0, 0, _NO, _NO]]]])


def test_the_bias_is_finite_in_bfloat16_and_silences_in_float32():
  assert np.isfinite(float(jnp.bfloat16(_NO)))
  # T5's unscaled logits reach hundreds; a million is beyond any of them.
  assert np.exp(np.float32(_NO) + np.float32(1e6)) == 0
