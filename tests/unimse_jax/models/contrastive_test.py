"""Eq. 3 and 4 against NumPy loops, with and without missing rows."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.models.contrastive import ContrastiveProjection, info_nce

_COMPILED = jax.jit(info_nce, static_argnums=(3, 4, 5))
_OPTIONS = list(itertools.product((0.1, 1.0), (True, False), (True, False)))


def equation_4(
  anchors, keys, valid, temperature, normalize, count_positive_twice
) -> float:
  """Eq. 4 over the valid rows, as the paper writes it."""
  rows = np.flatnonzero(valid)
  anchors, keys = anchors.astype(np.float64), keys.astype(np.float64)
  if normalize:
    anchors = anchors / np.linalg.norm(anchors, axis=1, keepdims=True)
    keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
  total = 0.0
  for i in rows:
    positive = math.exp(anchors[i] @ keys[i] / temperature)
    denominator = sum(
      math.exp(anchors[i] @ keys[k] / temperature) for k in rows
    )
    if count_positive_twice:
      denominator += positive
    total -= math.log(positive / denominator)
  return total


def vectors(rows: int = 5):
  rng = np.random.default_rng(0)
  return rng.standard_normal((2, rows, 4)).astype(np.float32)


@pytest.mark.parametrize(("temperature", "normalize", "twice"), _OPTIONS)
@pytest.mark.parametrize(
  "valid", [[1, 1, 1, 1, 1], [0, 1, 1, 0, 1], [0, 0, 0, 1, 0]]
)
def test_equation_4_in_all_options(valid, temperature, normalize, twice):
  anchors, keys = vectors()
  valid = np.array(valid, bool)
  total = _COMPILED(anchors, keys, valid, temperature, normalize, twice)
  expected = equation_4(anchors, keys, valid, temperature, normalize, twice)
  # float32 logits of up to 10 / 0.1 = 100, with seven digits.
  np.testing.assert_allclose(total, expected, rtol=1e-5, atol=1e-4)


def test_the_literal_denominator_cannot_fall_below_log_2():
  anchors = np.eye(4, dtype=np.float32)
  valid = np.ones(4, bool)
  # The best case: every row finds its own and nothing else.
  total = info_nce(anchors, anchors, valid, 0.01, True, True)
  # The logits are 100, where neighbouring float32 are 8e-6 apart.
  np.testing.assert_allclose(total / 4, math.log(2), atol=1e-5)
  total = info_nce(anchors, anchors, valid, 0.01, True, False)
  np.testing.assert_allclose(total, 0, atol=1e-5)


def test_permuting_the_keys_changes_the_loss():
  """D15: the authors' code paired texts with other rows' voices."""
  anchors, _ = vectors()
  valid = np.ones(5, bool)
  right = info_nce(anchors, anchors, valid, 0.1)
  wrong = info_nce(anchors, anchors[[1, 2, 3, 4, 0]], valid, 0.1)
  assert wrong > right + 1


@pytest.mark.parametrize(("temperature", "normalize", "twice"), _OPTIONS)
@pytest.mark.parametrize("valid", [[0, 0, 0], [0, 1, 1], [1, 1, 1]])
def test_gradients_are_finite_and_of_valid_rows_only(
  valid, temperature, normalize, twice
):
  anchors, keys = vectors(3)
  valid = np.array(valid, bool)
  # What an absent modality projects to.
  keys = keys * valid[:, None]

  def loss(anchors, keys):
    return info_nce(anchors, keys, valid, temperature, normalize, twice)

  run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
  value, grads = run(anchors, keys)
  assert np.isfinite(value)
  for grad in grads:
    assert np.isfinite(grad).all()
    np.testing.assert_array_equal(grad[~valid], 0)
    assert not valid.any() or np.abs(grad[valid]).max() > 0


def test_huge_logits_do_not_overflow():
  anchors = np.float32([[300.0, 0.0], [0.0, 300.0]])
  valid = np.ones(2, bool)
  # Raw T5 states are large: exp(90000) overflows where logsumexp does not.
  total = info_nce(anchors, -anchors, valid, 1.0, False, True)
  assert np.isfinite(total)


@pytest.mark.parametrize("kernel", [1, 3])
def test_projection_is_a_convolution_and_a_mean_over_valid_steps(fill, kernel):
  rng = np.random.default_rng(kernel)
  states = rng.standard_normal((3, 5, 4)).astype(np.float32)
  mask = np.arange(5) < np.array([[5], [2], [0]])
  projection = ContrastiveProjection(width=6, kernel=kernel)
  params = fill(projection, states, mask)
  weights = params["conv"]["kernel"]  # [kernel, 4, 6]
  out = projection.apply({"params": params}, states, mask)
  assert out.dtype == jnp.float32
  for row, count in enumerate((5, 2, 0)):
    padded = np.zeros((5 + kernel - 1, 4))
    padded[kernel // 2 :][:count] = states[row, :count]
    steps = [
      sum(padded[step + tap] @ weights[tap] for tap in range(kernel))
      for step in range(count)
    ]
    expected = np.mean(steps, axis=0) if steps else np.zeros(6)
    # float32 against float64, a dozen terms.
    np.testing.assert_allclose(out[row], expected, atol=1e-5)
