import numpy as np
import pytest

from feature_export.labels.nearest import TIE, search
from feature_export.labels.sentences import normalise


def _vectors(count: int, dimension: int = 64, seed: int = 0) -> np.ndarray:
  generator = np.random.default_rng(seed)
  return normalise(generator.standard_normal((count, dimension)))


@pytest.mark.parametrize("cells", [1, 20_000, 2**24])
@pytest.mark.parametrize("k", [1, 4])
def test_equals_brute_force_in_float64(cells, k):
  receivers, donors = _vectors(203), _vectors(171, seed=1)
  found = search(receivers, donors, k, cells=cells)
  exact = receivers.astype(float) @ donors.astype(float).T
  for row, cosines in enumerate(exact):
    index, similarity = found.of(row)
    assert index.tolist() == np.argsort(-cosines)[:k].tolist()
    # float64 sums of 64 terms in another order.
    np.testing.assert_allclose(similarity, cosines[index], atol=1e-14)


@pytest.mark.parametrize("spread", [1.0, 0.05, 1e-4])
def test_close_donors_have_the_float64_answer(spread):
  """Down to donors whose cosines differ by less than `TIE`."""
  centre = _vectors(1, 768, seed=2)
  receivers, donors = (
    normalise(centre + spread * _vectors(count, 768, seed=seed))
    for count, seed in ((150, 0), (400, 1))
  )
  exact = receivers.astype(float) @ donors.astype(float).T
  for k in (1, 3):
    found = search(receivers, donors, k)
    worst = np.sort(exact, axis=1)[:, -k] - TIE
    for row, cosines in enumerate(exact):
      wanted = np.flatnonzero(cosines >= worst[row])
      assert sorted(found.of(row)[0].tolist()) == wanted.tolist()


def test_blocks_and_threads_change_nothing():
  """Near ties: each donor again, moved by less than float32 can tell."""
  donors = _vectors(50, 768)
  donors = np.concatenate([donors, donors + np.float32(1e-9), donors])
  receivers = _vectors(300, 768, seed=1)
  reference = search(receivers, donors, 2)
  assert np.diff(reference.starts).min() >= 3
  for cells in (1, 150 * 77):
    found = search(receivers, donors, 2, cells=cells)
    for name in ("starts", "index", "similarity"):
      np.testing.assert_array_equal(
        getattr(found, name), getattr(reference, name)
      )
  # A single receiver takes another BLAS routine than a block of them.
  alone = search(receivers[7:8], donors, 2)
  np.testing.assert_array_equal(alone.index, reference.of(7)[0])
  np.testing.assert_array_equal(alone.similarity, reference.of(7)[1])


def test_ties_are_found_and_near_ones_are_not():
  donors = np.array([[0.6, 0.8], [1, 0], [1, TIE / 2], [0.99, 0.14]])
  found = search(np.array([[1, 0]], np.float32), donors.astype(np.float32))
  assert found.index.tolist() == [1, 2]


def test_nobody_to_complete():
  found = search(np.zeros((0, 3), np.float32), np.eye(3, dtype=np.float32))
  assert found.starts.tolist() == [0]
