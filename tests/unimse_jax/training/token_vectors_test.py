"""Token embeddings fitted to sentence vectors, against numpy's own solution."""

import numpy as np
import pytest

from unimse_jax.training.token_vectors import embeddings

_VOCABULARY, _WIDTH = 12, 8


@pytest.fixture(scope="module")
def texts() -> list[list[int]]:
  """Tokens 2 to 10; 11 occurs nowhere, and one text has none."""
  rng = np.random.default_rng(0)
  found = [rng.integers(2, 11, rng.integers(1, 6)).tolist() for _ in range(200)]
  return [*found, []]


@pytest.fixture(scope="module")
def vectors(texts) -> np.ndarray:
  values = np.random.default_rng(1).standard_normal((len(texts), 5))
  return values.astype(np.float32)


@pytest.fixture(scope="module")
def table(texts, vectors) -> np.ndarray:
  return embeddings(texts, vectors, _VOCABULARY, _WIDTH, 0)


def test_meanings_are_those_of_a_ridge_regression(texts, vectors, table):
  shares = np.zeros((len(texts), _VOCABULARY))
  for row, text in enumerate(texts):
    for token in text:
      shares[row, token] += len(text) ** -0.5
  ridge = shares.T @ shares + 10 * np.eye(_VOCABULARY)
  expected = np.linalg.solve(ridge, shares.T @ vectors)
  lengths = np.linalg.norm(expected, axis=1)
  # The longest is cut to the 99th percentile of those that occur.
  limit = np.quantile(lengths[2:11], 0.99)
  expected *= np.minimum(limit / np.maximum(lengths, 1e-9), 1)[:, None]
  meaning = table[:, :5].astype(np.float64)
  # The components turn the vectors, and one factor scales them: angles stay.
  found, wanted = meaning @ meaning.T, expected @ expected.T
  # Conjugate gradients stop at a thousandth of the right-hand side.
  np.testing.assert_allclose(
    found / np.diag(found).max(), wanted / limit**2, atol=3e-3
  )


def test_all_tokens_are_as_long_as_random_ones(table):
  assert table.dtype == np.float32
  lengths = np.linalg.norm(table, axis=1)
  np.testing.assert_allclose(lengths, np.sqrt(_WIDTH), rtol=1e-6)
  meanings = np.linalg.norm(table[:, :5], axis=1)
  np.testing.assert_allclose(meanings.max(), 0.9 * np.sqrt(_WIDTH), rtol=1e-6)
  # A token that no text has means nothing, but is one of its own.
  assert meanings[[0, 1, 11]].tolist() == [0, 0, 0]
  assert len(np.unique(table[:, 5:], axis=0)) == _VOCABULARY


def test_components_that_explain_more_come_first_and_little_ones_go(
  texts, vectors, table
):
  energies = np.square(table[:, :5]).sum(0)
  assert energies[0] == energies.max()
  narrow = embeddings(texts, vectors, _VOCABULARY, 4, 0)
  # Three of four dimensions are left for five components.
  first = np.linalg.norm(narrow[:, :3], axis=1)
  np.testing.assert_allclose(first.max(), 0.9 * 2, rtol=1e-6)


def test_the_seed_says_which_way_the_rest_points(texts, vectors, table):
  again = embeddings(texts, vectors, _VOCABULARY, _WIDTH, 0)
  np.testing.assert_array_equal(table, again)
  other = embeddings(texts, vectors, _VOCABULARY, _WIDTH, 1)
  np.testing.assert_array_equal(table[:, :5], other[:, :5])
  assert not np.allclose(table[:, 5:], other[:, 5:])
