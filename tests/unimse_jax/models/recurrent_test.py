"""The LSTM against torch's, at every length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.models.recurrent import LSTM, ModalityEncoder


def torch_lstm(params: dict):
  """torch.nn.LSTM with the same weights."""
  import torch

  features, gates = params["input"]["kernel"].shape
  lstm = torch.nn.LSTM(features, gates // 4, batch_first=True)
  weights = {
    "weight_ih_l0": params["input"]["kernel"].T,
    "weight_hh_l0": params["recurrent"].T,
    "bias_ih_l0": params["input"]["bias"],
    "bias_hh_l0": np.zeros(gates, np.float32),
  }
  lstm.load_state_dict(
    {name: torch.as_tensor(np.array(value)) for name, value in weights.items()}
  )
  return lstm


def torch_states(lstm, frames, lengths: list[int]):
  """Last and all states, packed; torch tensors [B, W] and [B, A, W]."""
  from torch.nn.utils import rnn

  packed = rnn.pack_padded_sequence(
    frames, lengths, batch_first=True, enforce_sorted=False
  )
  states, (last, _) = lstm(packed)
  return last[0], rnn.pad_packed_sequence(states, batch_first=True)[0]


def unequal_rows(longest: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
  lengths = [2, longest, 1, longest - 1]
  rng = np.random.default_rng(longest)
  frames = rng.standard_normal((4, longest, 3)).astype(np.float32)
  return frames, np.arange(longest) < np.array(lengths)[:, None], lengths


@pytest.mark.parametrize("longest", [5, 19])
def test_packed_rows_of_unequal_length_equal_torch(fill, longest):
  import torch

  frames, mask, lengths = unequal_rows(longest)
  lstm = LSTM(width=6, longest=9)
  params = fill(lstm, frames, mask, scale=0.8)
  last, states = jax.jit(lstm.apply)({"params": params}, frames, mask)
  with torch.no_grad():
    expected_last, expected = torch_states(
      torch_lstm(params), torch.as_tensor(frames), lengths
    )
  # Two float32 implementations, up to 19 steps of a contracting recurrence.
  np.testing.assert_allclose(last, expected_last.numpy(), atol=1e-5)
  np.testing.assert_allclose(
    states * mask[..., None], expected.numpy(), rtol=0, atol=1e-5
  )


def test_the_gradient_written_by_hand_is_torchs(fill):
  """Of the last state and of all states, with rows of unequal length."""
  import torch

  frames, mask, lengths = unequal_rows(7)
  lstm = LSTM(width=6, longest=9)
  params = fill(lstm, frames, mask, scale=0.8)
  rng = np.random.default_rng(0)
  of_last = rng.standard_normal((4, 6)).astype(np.float32)
  of_states = rng.standard_normal((4, 7, 6)).astype(np.float32)
  of_states *= mask[..., None]  # torch has nothing behind a row's end

  def loss(params, frames):
    last, states = lstm.apply({"params": params}, frames, mask)
    return (last * of_last).sum() + (states * of_states).sum()

  found, of_frames = jax.jit(jax.grad(loss, argnums=(0, 1)))(params, frames)

  theirs, inputs = torch_lstm(params), torch.tensor(frames, requires_grad=True)
  last, states = torch_states(theirs, inputs, lengths)
  total = (last * torch.as_tensor(of_last)).sum()
  (total + (states * torch.as_tensor(of_states)).sum()).backward()
  expected = {
    "kernel": theirs.weight_ih_l0.grad.T,
    "bias": theirs.bias_ih_l0.grad,
    "recurrent": theirs.weight_hh_l0.grad.T,
  }
  found = {**found["input"], "recurrent": found["recurrent"]}
  for name, value in expected.items():
    # float32 sums over 28 steps in another order.
    np.testing.assert_allclose(
      found[name], value.numpy(), rtol=1e-4, atol=1e-5, err_msg=name
    )
  np.testing.assert_allclose(
    of_frames, inputs.grad.numpy(), rtol=1e-4, atol=1e-5
  )


def test_what_stands_in_padded_frames_does_not_matter(fill):
  frames = np.ones((2, 6, 3), np.float32)
  mask = np.arange(6) < np.array([[4], [0]])
  other = np.where(mask[..., None], frames, 1e6).astype(np.float32)
  lstm = LSTM(width=6, longest=9)
  params = fill(lstm, frames, mask)
  run = jax.jit(lstm.apply)
  last, _ = run({"params": params}, frames, mask)
  np.testing.assert_array_equal(run({"params": params}, other, mask)[0], last)


def test_a_row_without_frames_ends_in_zeros(fill):
  frames = np.ones((2, 4, 3), np.float32)
  mask = np.array([[False] * 4, [True] * 4])
  lstm = LSTM(width=6, longest=9)
  last, states = lstm.apply({"params": fill(lstm, frames, mask)}, frames, mask)
  np.testing.assert_array_equal(last[0], np.zeros(6))
  np.testing.assert_array_equal(states[0], np.zeros((4, 6)))
  assert np.abs(last[1]).min() > 0


def test_an_absent_modality_is_zeros_although_the_map_has_a_bias(fill):
  frames = np.ones((2, 4, 3), np.float32)
  mask = np.array([[False] * 4, [True] * 4])
  encoder = ModalityEncoder(width=6, longest=9, dropout=0.3)
  params = fill(encoder, frames, mask, True)
  assert np.abs(params["out"]["bias"]).min() > 0
  out, _ = encoder.apply({"params": params}, frames, mask, True)
  np.testing.assert_array_equal(out[0], np.zeros(6))
  assert np.abs(out[1]).min() > 0


def test_gradients_are_finite_where_nothing_is_there(fill):
  frames = np.zeros((2, 4, 3), np.float32)
  mask = np.zeros((2, 4), bool)
  encoder = ModalityEncoder(width=6, longest=9, dropout=0.0)
  params = fill(encoder, frames, mask, True)

  def loss(params):
    out, states = encoder.apply({"params": params}, frames, mask, True)
    return out.sum() + states.sum()

  for leaf in jax.tree.leaves(jax.jit(jax.grad(loss))(params)):
    assert np.isfinite(leaf).all()


def test_initial_weights_have_the_variance_of_torch():
  frames = jnp.zeros((1, 2, 64))
  mask = jnp.ones((1, 2), bool)
  init = jax.jit(LSTM(width=64, longest=9).init)
  params = init(jax.random.key(0), frames, mask)["params"]
  kernel = np.asarray(params["recurrent"])
  # U(-1/8, 1/8): the extremes of 16,384 draws come within 1 % of the ends.
  assert 0.12375 < kernel.max() <= 0.125
  assert -0.125 <= kernel.min() < -0.12375


def test_gates_start_with_time_scales_of_one_frame_to_the_longest_clip():
  frames = jnp.zeros((1, 2, 3))
  mask = jnp.ones((1, 2), bool)
  init = jax.jit(LSTM(width=4, longest=10).init)
  bias = init(jax.random.key(0), frames, mask)["params"]["input"]["bias"]
  scales = np.log([1.0, 4.0, 7.0, 10.0])
  expected = np.concatenate([-scales, scales, np.zeros(8)])
  np.testing.assert_allclose(bias, expected, rtol=1e-6)
