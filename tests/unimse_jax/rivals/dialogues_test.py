"""Neighbours in dialogues, counted by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.dialogues import Dialogues, masked_softmax

# Three utterances, the speakers 0, 1, 0, and no fourth.
DIALOGUES = Dialogues(jnp.array([[4, 2, 0, -1]]), jnp.array([[0, 1, 0, 0]]))


def edges(mask) -> list[tuple[int, int]]:
  return [tuple(map(int, pair)) for pair in np.argwhere(mask)]


def test_a_window_has_the_utterance_itself_and_no_padding():
  assert edges(DIALOGUES.window(past=1, future=0)[0]) == [
    (0, 0),
    (1, 0),
    (1, 1),
    (2, 1),
    (2, 2),
  ]
  assert DIALOGUES.window(9, 9).sum() == 9


def test_relations_tell_the_speaker_and_the_order():
  same_before, same_after, other_before, other_after = DIALOGUES.relations(
    DIALOGUES.window(9, 9)
  )[0]
  assert edges(same_before) == [(2, 0)]
  assert edges(same_after) == [(0, 2)]
  assert edges(other_before) == [(1, 0), (2, 1)]
  assert edges(other_after) == [(0, 1), (1, 2)]


def test_speakers_make_sequences_apart_from_padding():
  np.testing.assert_array_equal(DIALOGUES.speaker_sequences, [[0, 1, 0, -1]])


def test_a_softmax_over_nothing_is_zero_and_so_is_its_gradient():
  logits = jnp.array([[0.0, jnp.log(3.0), 50.0], [1.0, 2.0, 3.0]])
  mask = jnp.array([[True, True, False], [False, False, False]])
  np.testing.assert_allclose(
    masked_softmax(logits, mask), [[0.25, 0.75, 0.0], [0.0, 0.0, 0.0]]
  )
  slope = jax.grad(lambda x: masked_softmax(x, mask)[:, 0].sum())(logits)
  np.testing.assert_allclose(slope, [[0.1875, -0.1875, 0.0], [0, 0, 0]])
