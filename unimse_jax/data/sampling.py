"""How many rows of which corpus an epoch has (D31)."""

from collections.abc import Sequence

import numpy as np


def quotas(
  corpora: Sequence[str], lengths: Sequence[int], temperature: float
) -> dict[tuple[str, int], int]:
  """Rows of an epoch for each corpus and padded length.

  A corpus of n rows gets a share of n ** (1 / temperature): 1 leaves every
  corpus as it is, infinity would make all equal. The epoch stays as long as
  the corpora together, and a corpus's rows are spread over the lengths as they
  are in it, so that every epoch has the same number of batches.

  Args:
    corpora: of each row.
    lengths: padded length of each row.
    temperature: at least 1.

  Returns:
    (corpus, length) -> rows.
  """
  cells: dict[str, dict[int, int]] = {}
  for corpus, length in zip(corpora, lengths, strict=True):
    own = cells.setdefault(corpus, {})
    own[length] = own.get(length, 0) + 1
  sizes = np.array([sum(own.values()) for own in cells.values()], float)
  wanted = _apportion(sizes ** (1 / temperature), int(sizes.sum()))
  found = {}
  for (corpus, own), rows in zip(cells.items(), wanted, strict=True):
    counts = _apportion(np.array(list(own.values()), float), rows)
    found |= {
      (corpus, length): count for length, count in zip(own, counts, strict=True)
    }
  return found


def _apportion(weights: np.ndarray, total: int) -> list[int]:
  """Whole numbers in proportion to the weights; largest remainders round up."""
  exact = weights / weights.sum() * total
  # A whole number must not lose one to the last bit of a division.
  counts = np.floor(exact + 1e-9).astype(int)
  order = np.argsort(counts - exact, kind="stable")
  counts[order[: total - counts.sum()]] += 1
  return counts.tolist()


def draw(
  corpora: Sequence[str],
  lengths: Sequence[int],
  temperature: float,
  rng: np.random.Generator,
) -> np.ndarray:
  """The rows of one epoch, in the order of the rows.

  A cell that gives more rows than it has gives all of them as often as it can
  and a random part once more; no row comes twice before all came once.

  Returns:
    int64[len(lengths)] row numbers.
  """
  wanted = quotas(corpora, lengths, temperature)
  members: dict[tuple[str, int], list[int]] = {cell: [] for cell in wanted}
  for row, cell in enumerate(zip(corpora, lengths, strict=True)):
    members[cell].append(row)
  chosen = []
  for cell, rows in members.items():
    passes, rest = divmod(wanted[cell], len(rows))
    chosen += rows * passes
    if rest:
      chosen += rng.permutation(rows)[:rest].tolist()
  return np.sort(np.array(chosen, np.int64))
