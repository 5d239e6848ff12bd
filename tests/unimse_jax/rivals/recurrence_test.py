"""Recurrent layers over many sequences in one row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.rivals.recurrence import SequenceEncoder

SPEAKERS = np.array([[0, 1, 0, 2, 0, -1], [0, 0, 1, -1, -1, -1]])


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_each_sequence_is_read_as_if_alone(fill, cell):
  encoder = SequenceEncoder(6, layers=2, dropout=0.0, cell=cell)
  x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype(np.float32)
  params = fill(encoder, x, SPEAKERS, True, scale=0.8)
  run = jax.jit(lambda x, ids: encoder.apply({"params": params}, x, ids, True))
  found = run(x, SPEAKERS)
  assert found.shape == (2, 6, 6)
  for row, ids in enumerate(SPEAKERS):
    for number in range(3):
      own = np.flatnonzero(ids == number)
      alone = np.zeros_like(x)
      alone[0, : len(own)] = x[row, own]
      states = run(
        alone, np.where(np.arange(6) < len(own), 0, -1)[None, :].repeat(2, 0)
      )
      # The same numbers through the same loop.
      np.testing.assert_allclose(
        states[0, : len(own)], found[row, own], atol=1e-6
      )


def test_states_equal_torchs_gru(fill):
  import torch

  encoder = SequenceEncoder(8, layers=1, dropout=0.0, cell="gru")
  x = np.random.default_rng(0).standard_normal((1, 5, 3)).astype(np.float32)
  ids = jnp.zeros((1, 5), jnp.int32)
  params = fill(encoder, x, ids, True, scale=0.8)
  gru = torch.nn.GRU(3, 4, batch_first=True, bidirectional=True)
  state = {}
  for name, suffix in (("forward", "_l0"), ("backward", "_l0_reverse")):
    cell = params["layer_0"][name]
    kernels = {
      "weight_ih": [cell[f"i{gate}"]["kernel"].T for gate in "rzn"],
      "weight_hh": [cell[f"h{gate}"]["kernel"].T for gate in "rzn"],
      "bias_ih": [cell[f"i{gate}"]["bias"] for gate in "rzn"],
      # Flax's gates r and z have one bias, torch's two.
      "bias_hh": [np.zeros(4), np.zeros(4), cell["hn"]["bias"]],
    }
    for kind, parts in kernels.items():
      joined = np.concatenate(parts).astype(np.float32)
      state[kind + suffix] = torch.as_tensor(joined)
  gru.load_state_dict(state)
  with torch.no_grad():
    expected = gru(torch.as_tensor(x))[0].numpy()
  found = encoder.apply({"params": params}, x, ids, True)
  # Two float32 implementations, five steps.
  np.testing.assert_allclose(found, expected, atol=1e-6)
