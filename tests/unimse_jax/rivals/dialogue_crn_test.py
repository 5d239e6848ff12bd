"""DialogueCRN's reasoning against NumPy, an utterance at a time."""

import numpy as np
import pytest

from unimse_jax.rivals.dialogue_crn import Reasoning

WIDTH = 3
LENGTH = 4  # utterances, and a fifth place without one


def sigmoid(x) -> np.ndarray:
  return 1 / (1 + np.exp(-x))


def lstm(params, x, hidden, cell) -> tuple[np.ndarray, np.ndarray]:
  i, f, g, o = (
    x @ params[f"i{gate}"]["kernel"]
    + hidden @ params[f"h{gate}"]["kernel"]
    + params[f"h{gate}"]["bias"]
    for gate in "ifgo"
  )
  cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
  return sigmoid(o) * np.tanh(cell), cell


@pytest.mark.parametrize("turns", [0, 3])
def test_each_turn_reasons_and_retrieves(fill, turns):
  reasoning = Reasoning(WIDTH, turns)
  context = np.random.default_rng(0).standard_normal((1, 5, WIDTH))
  context = context.astype(np.float32)
  there = np.arange(5) < LENGTH
  pairs = (there[:, None] & there)[None]
  params = fill(reasoning, context, pairs, scale=0.8)
  found = reasoning.apply({"params": params}, context, pairs)[0]

  def mapped(name):
    return context[0] @ params[name]["kernel"] + params[name]["bias"]

  for place, query in enumerate(mapped("query")[:LENGTH]):
    hidden = cell = np.zeros(WIDTH)
    for _ in range(turns):
      memory = mapped("memory")[:LENGTH]
      hidden, cell = lstm(params["lstm"], query, hidden, cell)
      weights = np.exp(memory @ hidden)
      retrieved = weights / weights.sum() @ memory
      query = np.concatenate([hidden, retrieved])
    # float32 in another order of sums.
    np.testing.assert_allclose(found[place], query, atol=1e-6)
