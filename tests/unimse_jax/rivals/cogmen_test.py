"""COGMEN's graph Transformer against loops over its edges."""

import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.cogmen import GraphTransformer
from unimse_jax.rivals.dialogues import Dialogues

WIDTH, HEADS = 4, 2


def test_attention_along_the_edges(fill):
  rows = jnp.array([[0, 1, 2, 3, -1]])
  near = Dialogues(rows, jnp.zeros_like(rows)).window(past=1, future=2)
  x = np.random.default_rng(0).standard_normal((1, 5, 3)).astype(np.float32)
  graph = GraphTransformer(WIDTH, HEADS)
  params = fill(graph, x, near, scale=0.8)

  def mapped(name):
    return x[0] @ params[name]["kernel"] + params[name]["bias"]

  found = graph.apply({"params": params}, x, near)[0]
  for i in range(4):
    others = np.flatnonzero(near[0, i])
    assert list(others) == [j for j in range(4) if -1 <= j - i <= 2]
    parts = []
    for head in range(HEADS):
      part = slice(WIDTH * head, WIDTH * (head + 1))
      query, keys, values = (
        mapped(name)[:, part] for name in ("query", "key", "value")
      )
      weights = np.exp(keys[others] @ query[i] / np.sqrt(WIDTH))
      parts.append(weights / weights.sum() @ values[others])
    expected = mapped("own")[i] + np.concatenate(parts)
    # float32 in another order of sums.
    np.testing.assert_allclose(found[i], expected, atol=1e-5)
