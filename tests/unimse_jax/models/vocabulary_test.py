"""Sums over a vocabulary in blocks against the plain ones."""

import jax
import numpy as np
import pytest

from unimse_jax.models import vocabulary


@pytest.mark.parametrize(
  ("rows", "places", "pieces"),
  [
    (2, 3, 7),  # one block
    (2, 3, 2048),  # two
    (2, 3, 2500),  # and a rest
    (96, 11, 1100),  # places in parts, of which the last is short
  ],
)
def test_the_normalizer_is_that_of_all_scores(rows, places, pieces):
  rng = np.random.default_rng(0)
  decoded = rng.standard_normal((rows, places, 4)).astype(np.float32)
  table = 20 * rng.standard_normal((pieces, 4)).astype(np.float32)
  found = jax.jit(vocabulary.log_normalizer)(decoded, table)
  scores = decoded.astype(np.float64) @ table.T.astype(np.float64)
  most = scores.max(-1, keepdims=True)
  expected = np.log(np.exp(scores - most).sum(-1)) + most[..., 0]
  assert found.shape == (rows, places)
  # Scores of up to 200 in float32.
  np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
  "blocks",
  [
    vocabulary._OTHERS,  # all at once, as on a GPU
    vocabulary._Blocks(pieces=2**20, values=1500),  # two places at a time
  ],
)
def test_blocks_of_any_size_come_to_the_same(blocks):
  rng = np.random.default_rng(3)
  decoded = rng.standard_normal((2, 5, 4)).astype(np.float32)
  table = rng.standard_normal((300, 4)).astype(np.float32)
  scores = vocabulary.scores(decoded, table)
  np.testing.assert_allclose(
    vocabulary._log_normalizer(decoded, table, blocks),
    jax.nn.logsumexp(scores, axis=-1),
    rtol=1e-5,  # sums in another order
  )
  np.testing.assert_array_equal(
    vocabulary._best(decoded[:, 0], table, blocks), scores[:, 0].argmax(-1)
  )


@pytest.mark.parametrize("pieces", [7, 2048, 2500])
def test_the_best_piece_is_the_first_of_the_highest_score(pieces):
  rng = np.random.default_rng(2)
  # Small whole numbers: products are exact, and many are equal.
  decoded = rng.integers(-2, 3, (50, 4)).astype(np.float32)
  table = rng.integers(-2, 3, (pieces, 4)).astype(np.float32)
  found = jax.jit(vocabulary.best)(decoded, table)
  expected = (decoded @ table.T).argmax(-1)
  np.testing.assert_array_equal(found, expected)
  assert pieces < 1024 or (expected >= 1024).any()


def test_scores_of_single_tokens_are_those_of_the_vocabulary():
  rng = np.random.default_rng(1)
  decoded = rng.standard_normal((2, 3, 4)).astype(np.float32)
  table = rng.standard_normal((9, 4)).astype(np.float32)
  scores = np.asarray(vocabulary.scores(decoded, table))
  tokens = np.array([[1, 8, 0], [3, 3, 5]])
  for asked in (tokens, tokens[0]):
    found = vocabulary.token_scores(decoded, table, asked)
    index = np.broadcast_to(asked, (2, 3))[..., None]
    expected = np.take_along_axis(scores, index, -1)[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
