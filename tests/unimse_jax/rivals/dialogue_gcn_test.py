"""DialogueGCN's graph against loops over the paper's sums."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from unimse_jax.rivals.dialogue_gcn import DialogueGCN
from unimse_jax.rivals.dialogues import Dialogues

SPEAKERS = np.array([0, 1, 0, 1])
PAST, FUTURE = 2, 1
WIDTH = 3


class Graph(DialogueGCN):
  """The graph alone."""

  @nn.compact
  def __call__(self, context, dialogues):
    return self._graph(context, dialogues)


def softmax(values) -> np.ndarray:
  values = np.exp(values - np.max(values))
  return values / values.sum()


def relation(i: int, j: int) -> int:
  return 2 * (SPEAKERS[i] != SPEAKERS[j]) + (j > i)


def test_equations_1_to_3(fill):
  graph = Graph(WIDTH, 0.0, past=PAST, future=FUTURE)
  g = np.random.default_rng(0).standard_normal((4, WIDTH)).astype(np.float32)
  dialogues = Dialogues(jnp.arange(4)[None], jnp.asarray(SPEAKERS)[None])
  params = fill(graph, g[None], dialogues, scale=0.8)
  kernels = {
    name: np.asarray(each["kernel"])
    for name, each in params.items()
    if name != "first"
  }
  by_relation = np.asarray(params["first"]["relations"]["kernel"]).reshape(
    WIDTH, 4, WIDTH
  )
  first = np.zeros((4, WIDTH))
  neighbours = []
  for i in range(4):
    near = [j for j in range(4) if -PAST <= j - i <= FUTURE]
    edge = dict(
      zip(
        near,
        softmax([g[i] @ kernels["edge"] @ g[j] for j in near]),
        strict=True,
      )
    )
    near.remove(i)
    neighbours.append(near)
    first[i] = edge[i] * g[i] @ kernels["first_own"]
    for j in near:
      alike = sum(relation(i, k) == relation(i, j) for k in near)
      first[i] += edge[j] / alike * g[j] @ by_relation[:, relation(i, j)]
  first = np.maximum(first, 0)
  second = [
    first[i] @ kernels["second_own"] + sum(first[near] @ kernels["second"])
    for i, near in enumerate(neighbours)
  ]
  found = graph.apply({"params": params}, g[None], dialogues)[0]
  # float32 against float64.
  np.testing.assert_allclose(found, np.maximum(second, 0), atol=1e-5)
