"""MAG's shift and the alignment of frames to words."""

import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.rivals.mag import align, shifted
from unimse_jax.rivals.streams import Stream


@pytest.mark.parametrize(
  ("words", "frames", "expected"),
  [
    ([1, 1], [1.0, 3.0, 5.0, 7.0], [2, 6]),
    ([1, 1, 1, 1], [1.0, 5.0], [1, 1, 5, 5]),
    ([1, 1], [3.0, 9.0, 15.0], [5, 13]),  # the middle frame is in both words
    ([0, 1, 1, 0], [2.0, 4.0], [0, 2, 4, 0]),
    ([1, 1], [], [0, 0]),
    ([0, 0], [2.0], [0, 0]),
  ],
)
def test_words_share_the_frames_out_evenly(words, frames, expected):
  padded = jnp.array([*frames, 99.0])[None, :, None]
  mask = jnp.arange(len(frames) + 1)[None] < len(frames)
  found = align(jnp.array([words], bool), Stream(padded, mask))
  np.testing.assert_allclose(found[0, :, 0], expected, rtol=1e-6, atol=1e-6)


def test_a_shift_is_no_longer_than_beta_times_the_state():
  states = jnp.array([[[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]]])
  move = jnp.array([[[0.0, 100.0], [1.0, 0.0], [0.0, 0.0]]])
  found = shifted(states, move, most=0.5)
  np.testing.assert_allclose(found[0], [[3, 6.5], [4, 4], [3, 4]], rtol=1e-6)
