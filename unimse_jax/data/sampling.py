"""How many rows of which corpus an epoch has (D31)."""

import collections
from collections.abc import Sequence

import numpy as np


def quotas(corpora: Sequence[str], temperature: float) -> dict[str, int]:
  """Rows of an epoch for each corpus.

  A corpus of n rows gets a share of n ** (1 / temperature): 1 leaves every
  corpus as it is, infinity would make all equal. The epoch stays as long as
  the corpora together.

  Args:
    corpora: corpus of each row.
    temperature: at least 1.

  Returns:
    corpus -> rows.
  """
  sizes = collections.Counter(corpora)
  weights = np.array(list(sizes.values()), float) ** (1 / temperature)
  return dict(zip(sizes, _apportion(weights, len(corpora)), strict=True))


def _apportion(weights: np.ndarray, total: int) -> list[int]:
  """Whole numbers in proportion to the weights; largest remainders round up."""
  exact = weights / weights.sum() * total
  # A whole number must not lose one to the last bit of a division.
  counts = np.floor(exact + 1e-9).astype(int)
  order = np.argsort(counts - exact, kind="stable")
  counts[order[: total - counts.sum()]] += 1
  return counts.tolist()


def draw(
  corpora: Sequence[str], temperature: float, rng: np.random.Generator
) -> np.ndarray:
  """The rows of one epoch, in the order of the rows.

  A corpus that gives more rows than it has gives all of them as often as it
  can and a random part once more; no row comes twice before all came once.

  Returns:
    int64[len(corpora)] row numbers.
  """
  wanted = quotas(corpora, temperature)
  members: dict[str, list[int]] = {corpus: [] for corpus in wanted}
  for row, corpus in enumerate(corpora):
    members[corpus].append(row)
  chosen = []
  for corpus, rows in members.items():
    passes, rest = divmod(wanted[corpus], len(rows))
    chosen += rows * passes
    if rest:
      chosen += rng.permutation(rows)[:rest].tolist()
  return np.sort(np.array(chosen, np.int64))
