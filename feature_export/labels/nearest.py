"""Exact nearest neighbours by cosine, without holding all N * M cosines.

Matrix products in float32 are fast, but their last bits depend on block shape,
number of threads and device. So they only propose candidates: every pair that
could be among the best at the worst rounding. Candidates are scored again in
float64, pair by pair, and so the result depends on the vectors alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Texts that an encoder cannot tell apart ("Hi" and "hi") get embeddings that
# differ by about 2e-7, because float32 sums depend on the batch around them.
# Such cosines count as equal, and the order of the donors decides.
TIE = 1e-6
_CELLS = 2**23  # cosines held at once: 32 MiB of float32
_FEWEST_ROWS = 64  # receivers in a product, as smaller products are slow


@dataclass(frozen=True)
class Neighbours:
  """The best donors of every receiver, and all that tie with the last.

  Attributes:
    starts: int64[N + 1], start of each receiver's donors in the other arrays.
    index: int64[C], rows of the donors: most similar first, equal ones by
      row.
    similarity: float64[C], cosines.
  """

  starts: np.ndarray
  index: np.ndarray
  similarity: np.ndarray

  def of(self, receiver: int) -> tuple[np.ndarray, np.ndarray]:
    """The donors of one receiver and their cosines, best first."""
    own = slice(self.starts[receiver], self.starts[receiver + 1])
    return self.index[own], self.similarity[own]


def find_device() -> str:
  """ "cuda" where torch finds one, else "cpu"."""
  import torch

  return "cuda" if torch.cuda.is_available() else "cpu"


def search(
  receivers: np.ndarray,
  donors: np.ndarray,
  k: int = 1,
  device: str = "cpu",
  cells: int = _CELLS,
) -> Neighbours:
  """Finds the k most similar donors of every receiver.

  Args:
    receivers: float32[N, D], rows of length 1.
    donors: float32[M, D], rows of length 1, M > 0.
    k: number of donors, at least 1; at most M are found.
    device: device of torch for the products; on the CPU NumPy uses all cores.
    cells: largest number of cosines held at once.

  Returns:
    The donors that are at most `TIE` less similar than the k-th best: the
    brute-force answer in float64, whatever the device and `cells`.
  """
  k = min(k, len(donors))
  counts, index, similarity = [], [], []
  for first, rows, columns in _propose(receivers, donors, k, device, cells):
    scores = _score(receivers, donors, first + rows, columns)
    for each in _select(rows, columns, scores, k):
      counts.append(len(each))
      index.append(columns[each])
      similarity.append(scores[each])
  if not counts:
    empty = np.zeros(0)
    return Neighbours(np.zeros(1, np.int64), empty.astype(np.int64), empty)
  starts = np.concatenate([[0], np.cumsum(counts)])
  return Neighbours(starts, np.concatenate(index), np.concatenate(similarity))


def _propose(
  receivers: np.ndarray, donors: np.ndarray, k: int, device: str, cells: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
  """Yields blocks of pairs that may be among the best.

  Yields:
    (first receiver of the block, int64[C] receivers counted from it, int64[C]
    donors).
  """
  # The rounding error of a sum of D products, added up in any order, whose
  # absolute values sum to 1 at most. Twice: both compared cosines may be off.
  margin = np.float32(2 * (donors.shape[1] + 1) * 2.0**-24 + 2 * TIE)
  if device != "cpu":
    pick, turned = _pick_with_torch, _upload(donors, device).T
  else:
    pick, turned = _pick, donors.T
  count = max(_FEWEST_ROWS, cells // len(donors))
  for first in range(0, len(receivers), count):
    near = pick(receivers[first : first + count], turned, k, margin)
    yield (first, *np.divmod(np.flatnonzero(near), len(donors)))


def _pick(block, turned, k: int, margin: float) -> np.ndarray:
  """bool[B, M]: which cosines are at most `margin` below the k-th best.

  NumPy's BLAS was a fifth faster than torch's on the CPU.
  """
  cosines = block @ turned
  best = cosines.max(1) if k == 1 else np.partition(cosines, -k, 1)[:, -k]
  return cosines >= (best - margin)[:, None]


def _upload(vectors: np.ndarray, device: str):
  import torch

  # TF32 would round far more than the margin allows.
  torch.backends.cuda.matmul.allow_tf32 = False
  return torch.from_numpy(vectors).to(device)


def _pick_with_torch(block, turned, k: int, margin: float) -> np.ndarray:
  """Like `_pick`, on the device of `turned`."""
  cosines = _upload(block, turned.device) @ turned
  best = cosines.topk(k, dim=1).values[:, -1]
  return (cosines >= (best - float(margin))[:, None]).cpu().numpy()


def _score(
  receivers: np.ndarray,
  donors: np.ndarray,
  rows: np.ndarray,
  columns: np.ndarray,
) -> np.ndarray:
  """float64 cosines of pairs; each depends on its two vectors only."""
  scores = np.empty(len(rows))
  for at in range(0, len(rows), 4096):  # 4096 pairs of 768: 50 MB
    some = slice(at, at + 4096)
    left = receivers[rows[some]].astype(np.float64)
    scores[some] = (left * donors[columns[some]]).sum(axis=1)
  return scores


def _select(
  rows: np.ndarray, columns: np.ndarray, scores: np.ndarray, k: int
) -> Iterator[np.ndarray]:
  """Yields, row by row, the chosen pairs: best first, then by column."""
  order = np.lexsort((columns, -scores, rows))
  for own in np.split(order, np.flatnonzero(np.diff(rows)) + 1):
    worst = scores[own[min(k, len(own)) - 1]] - TIE
    yield own[scores[own] >= worst]
