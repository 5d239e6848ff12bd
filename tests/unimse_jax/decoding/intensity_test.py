"""Packed texts against scoring each text by itself."""

import jax
import numpy as np
import pytest

from unimse_jax.decoding import intensity, probabilities


def random_texts(rng, count: int) -> list[list[int]]:
  """Distinct texts with shared beginnings, one the beginning of another."""
  texts = {(5,), (5, 6), (5, 6, 7)}
  while len(texts) < count:
    texts.add(tuple(rng.integers(5, 9, rng.integers(1, 6)).tolist()))
  return [list(text) for text in sorted(texts)]


@pytest.mark.parametrize("count", [30, 150])
def test_packed_texts_score_as_each_alone(tiny_model, make_batch, fill, count):
  """With one tree, and with several of which the last is not full."""
  model, batch = tiny_model(), make_batch(rows=3)
  params = fill(model, batch)
  encoded = jax.jit(
    lambda batch: model.apply({"params": params}, batch, method="encode")
  )(batch)
  mask = batch["encoder_mask"]
  rng = np.random.default_rng(0)
  texts = random_texts(rng, count)
  packed = intensity.pack(texts)
  found = jax.jit(
    lambda packed: intensity.log_probabilities(
      model, params, encoded, mask, packed
    )
  )(packed)
  targets = np.zeros((count, 3, 5), np.int32)
  for place, text in enumerate(texts):
    targets[place, :, : len(text)] = text
  expected = jax.jit(
    lambda targets: probabilities.log_probabilities(
      model, params, encoded, mask, targets
    )
  )(targets)
  # float32 sums of another grouping.
  np.testing.assert_allclose(found[:, :count], expected.T, rtol=1e-5, atol=1e-5)


def test_every_beginning_stands_once():
  packed = intensity.pack([[5, 6, 7], [5, 6, 8], [5, 9, 7]])
  # Start, 5, 5 6, 5 9: the last tokens are only read off.
  assert packed.tokens.tolist() == [[0, 5, 6, 9]]
  assert packed.positions.tolist() == [[0, 1, 2, 2]]
  assert packed.visible.astype(int).tolist() == [
    [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]]
  ]


@pytest.mark.parametrize(
  ("probabilities", "mean", "median"),
  [
    ([1, 0, 0], -1, -1),
    ([0.25, 0.25, 0.5], 0.75, 0),
    ([0.2, 0.2, 0.6], 1.0, 2),
  ],
)
def test_mean_and_median(probabilities, mean, median):
  found = intensity.estimates(
    np.array([-1.0, 0.0, 2.0]), np.array(probabilities, float)
  )
  assert found == {"mean": pytest.approx(mean), "median": median}
