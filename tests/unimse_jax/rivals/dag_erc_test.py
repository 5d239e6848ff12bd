"""DAG-ERC's graph by hand, and a layer against NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.rivals.dag_erc import _Layer, predecessors
from unimse_jax.rivals.dialogues import Dialogues

SPEAKERS = [0, 1, 1, 0, 2]
DIALOGUES = Dialogues(
  jnp.array([[0, 1, 2, 3, 4, -1]]), jnp.array([[*SPEAKERS, 0]])
)
WIDTH = 3


@pytest.mark.parametrize(
  ("turns", "expected"),
  [
    (1, [[], [0], [1], [0, 1, 2], [0, 1, 2, 3], []]),
    (2, [[], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3], []]),
  ],
)
def test_edges_reach_back_to_the_same_speaker(turns, expected):
  found = np.asarray(predecessors(DIALOGUES, turns)[0])
  assert [list(np.flatnonzero(row)) for row in found] == expected


def sigmoid(x) -> np.ndarray:
  return 1 / (1 + np.exp(-x))


def gru(params, x, hidden) -> np.ndarray:
  """Cho et al. 2014, the reset gate after the product as in torch."""

  def side(name, vector):
    return vector @ params[name]["kernel"] + params[name].get("bias", 0)

  reset = sigmoid(side("ir", x) + side("hr", hidden))
  keep = sigmoid(side("iz", x) + side("hz", hidden))
  new = np.tanh(side("in", x) + reset * side("hn", hidden))
  return (1 - keep) * new + keep * hidden


def test_a_layer_reads_predecessors_in_order(fill):
  below = np.random.default_rng(0).standard_normal((1, 6, WIDTH))
  below = below.astype(np.float32)
  args = below, predecessors(DIALOGUES, 1), DIALOGUES.same_speaker
  layer = _Layer(WIDTH)
  params = fill(layer, *args, scale=0.8)
  found = np.asarray(layer.apply({"params": params}, *args)[0])
  params = params["step"]
  above = []
  for place, state in enumerate(below[0, :5]):
    message = np.zeros(WIDTH)
    before = np.flatnonzero(args[1][0, place])
    scores = [float((above[j] @ params["score"]["kernel"])[0]) for j in before]
    weights = np.exp(scores) / np.exp(scores).sum()
    for j, weight in zip(before, weights, strict=True):
      kind = "same" if SPEAKERS[j] == SPEAKERS[place] else "other"
      message += weight * (above[j] @ np.asarray(params[kind]["kernel"]))
    above.append(
      gru(params["node"], state, message)
      + gru(params["context"], message, state)
    )
  # float32 against float64, five steps.
  np.testing.assert_allclose(found[:5], above, atol=1e-5)
