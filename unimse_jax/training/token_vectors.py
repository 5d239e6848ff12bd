"""Token embeddings that start from the meaning of the texts they occur in.

A ridge regression explains the sentence encoder's vector of a text as the sum
of a vector for each of its tokens. No token's own context comes into it, but it
has one solution and no learning rate, and tokens that say little get short
vectors.
"""

import functools
from collections.abc import Sequence

import jax
import numpy as np
from jax.scipy.sparse.linalg import cg

# Of the ridge regression: a token that occurs so often is pulled halfway to
# zero. From 1 to 10 it made no difference on MELD.
_RIDGE = 10.0
# Share of an embedding that says which token it is, not what it means.
_IDENTITY = 1 / 4
# Length of a meaning, as a share of an embedding's, that no token exceeds and
# this part of those that occur stays below.
_LONGEST, _BELOW = 0.9, 0.99


def embeddings(
  texts: Sequence[Sequence[int]],
  vectors: np.ndarray,
  vocab_size: int,
  width: int,
  seed: int,
) -> np.ndarray:
  """float32[vocab_size, width], the embeddings to start with.

  T5's first norm makes all tokens equally long, which would shout out those
  that say little. So all rows have the length of T5's random ones, sqrt(width):
  what the meaning leaves is filled up with a random direction of the last
  quarter of the dimensions.

  Args:
    texts: each training text's own tokens.
    vectors: float32[N, D], the sentence encoder's of each text.
    vocab_size: rows of the table.
    width: numbers in a token embedding.
    seed: number that the random directions follow from.
  """
  meaning = _regress(texts, vectors, vocab_size)
  free = width - max(int(width * _IDENTITY), 1)
  meaning = meaning[:, :free]
  lengths = np.linalg.norm(meaning, axis=1, keepdims=True)
  occurs = lengths > 0
  longest = np.quantile(lengths[occurs], _BELOW)
  shares = _LONGEST * np.minimum(lengths / longest, 1)
  meaning *= np.divide(shares, lengths, out=np.zeros_like(shares), where=occurs)
  rng = np.random.default_rng(seed)
  identity = rng.standard_normal((vocab_size, width - meaning.shape[1]))
  identity /= np.linalg.norm(identity, axis=1, keepdims=True)
  identity *= np.sqrt(1 - shares**2)
  rows = np.concatenate([meaning, identity], axis=1)
  return (np.sqrt(width) * rows).astype(np.float32)


def _regress(
  texts: Sequence[Sequence[int]], vectors: np.ndarray, vocab_size: int
) -> np.ndarray:
  """float64[vocab_size, D]: each token's vector; principal components first.

  The components are those of what the tokens explain of the texts' vectors.
  """
  counts = np.array([len(text) for text in texts])
  rows = np.repeat(np.arange(len(texts)), counts)
  tokens = np.array([token for text in texts for token in text], np.int32)
  # The sum of n independent vectors grows as sqrt(n), sentence vectors do not.
  shares = (counts[rows] ** -0.5).astype(np.float32)
  vectors, gram = map(
    np.asarray, _solve(tokens, rows, shares, vectors, vocab_size)
  )
  _, components = np.linalg.eigh(gram.astype(np.float64))
  return vectors.astype(np.float64) @ components[:, ::-1]


@functools.partial(jax.jit, static_argnames="vocab_size")
def _solve(
  tokens: jax.Array,
  rows: jax.Array,
  shares: jax.Array,
  vectors: jax.Array,
  vocab_size: int,
) -> tuple[jax.Array, jax.Array]:
  """The regression by conjugate gradients.

  Args:
    tokens: int32[M], all texts' tokens in a row.
    rows: int[M], index of each token's text.
    shares: float32[M], weight of each in its text.
    vectors: float32[N, D], target of each text's sum.
    vocab_size: number of tokens in the vocabulary.

  Returns:
    float32[vocab_size, D] vectors of the tokens, and float32[D, D], the
    products of the texts' sums.
  """

  def summed(table: jax.Array) -> jax.Array:
    each = shares[:, None] * table[tokens]
    return jax.ops.segment_sum(each, rows, len(vectors))

  def transposed(values: jax.Array) -> jax.Array:
    each = shares[:, None] * values[rows]
    return jax.ops.segment_sum(each, tokens, vocab_size)

  # A thousandth of its length is far below what the ridge itself changes.
  solution, _ = cg(
    lambda table: transposed(summed(table)) + _RIDGE * table,
    transposed(vectors),
    tol=1e-3,
  )
  sums = summed(solution)
  return solution, sums.T @ sums
