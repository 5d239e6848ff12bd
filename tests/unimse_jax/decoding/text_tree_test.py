"""Trees of texts against scoring each text by itself."""

import jax
import numpy as np
import pytest

from unimse_jax.decoding import text_tree


@pytest.fixture(scope="module")
def model(tiny_model):
  return tiny_model()


@pytest.fixture(scope="module")
def batch(make_batch):
  return make_batch(rows=3)


@pytest.fixture(scope="module")
def params(model, batch, fill):
  return fill(model, batch)


@pytest.fixture(scope="module")
def encoded(model, batch, params):
  return jax.jit(
    lambda batch: model.apply({"params": params}, batch, method="encode")
  )(batch)


@pytest.fixture(scope="module")
def one_by_one(model, batch, params, encoded, score_texts):
  """float32[B, M], log P of the texts by teacher forcing."""

  def score(texts):
    targets = np.zeros((len(texts), 3, 6), np.int32)
    for place, text in enumerate(texts):
      targets[place, :, : len(text)] = text
    score = jax.jit(
      lambda targets: score_texts(
        model, {"params": params}, targets, encoded, batch["encoder_mask"]
      )
    )
    return np.asarray(score(targets)).T

  return score


@pytest.fixture(scope="module")
def score(model, batch, params, encoded):
  def run(function, tree):
    cross = model.apply({"params": params}, encoded, 1, method="start_cache")[1]
    return function(model, params, cross, batch["encoder_mask"], tree)

  return lambda function, tree: jax.jit(run, static_argnums=0)(function, tree)


def random_texts(rng, count: int) -> list[list[int]]:
  """Distinct texts with shared beginnings, one the beginning of another."""
  texts = {(5,), (5, 6), (5, 6, 7)}
  while len(texts) < count:
    texts.add(tuple(rng.integers(5, 9, rng.integers(1, 6)).tolist()))
  return [list(text) for text in sorted(texts)]


@pytest.mark.parametrize("count", [30, 150])
def test_packed_texts_score_as_each_alone(score, one_by_one, count):
  """With one tree, and with several of which the last is not full."""
  texts = random_texts(np.random.default_rng(0), count)
  found = score(text_tree.packed_log_probabilities, text_tree.pack(texts))
  # float32 sums of another grouping.
  np.testing.assert_allclose(
    found[:, :count], one_by_one(texts), rtol=1e-5, atol=1e-5
  )


def test_every_row_may_have_a_tree_of_its_own(score, one_by_one):
  rng = np.random.default_rng(1)
  texts = [random_texts(rng, 8) for _ in range(3)]
  trees = [text_tree.grow(own) for own in texts]
  # One row larger than the others, and sizes rounded up.
  trees[1] = text_tree.grow(texts[1] + [[8, 8, 8, 8, 8]])
  found = score(text_tree.log_probabilities, text_tree.stack(trees, 4))
  assert found.shape == (3, 12)
  for row, own in enumerate(texts):
    np.testing.assert_allclose(
      found[row, :8], one_by_one(own)[row], rtol=1e-5, atol=1e-5
    )
  assert found[0, 8] == 0  # a text of no tokens has probability one


def test_given_tokens_are_read_and_not_scored(score, one_by_one):
  texts = [[5, 6, 7], [5, 6, 8, 1], [9], []]
  given = [2, 2, 0, 0]
  tree = text_tree.grow(texts, given)
  whole = one_by_one([*texts, [5, 6]])
  expected = whole[:, :4] - whole[:, 4:] * [1, 1, 0, 0]
  found = score(text_tree.log_probabilities, tree)
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
  # The sum over the vocabulary is made behind 5 6, 5 6 8 and the start alone.
  places = tree.places[tree.scored]
  assert sorted(places.tolist()) == [0, 2, 3]


def test_every_beginning_stands_once():
  packed = text_tree.pack([[5, 6, 7], [5, 6, 8], [5, 9, 7]])
  # Start, 5, 5 6, 5 9: the last tokens are only read off.
  assert packed.tokens.tolist() == [[0, 5, 6, 9]]
  assert packed.places.tolist() == [[0, 1, 2, 2]]
  assert packed.visible.astype(int).tolist() == [
    [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]]
  ]
