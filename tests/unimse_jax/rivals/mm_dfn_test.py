"""MM-DFN's fusion along the layers against NumPy."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from unimse_jax.rivals.mm_dfn import MMDFN
from unimse_jax.rivals.multimodal_graph import GraphLayer

WIDTH = 3


class Fusion(MMDFN):
  """The graph-based dynamic fusion alone."""

  @nn.compact
  def __call__(self, nodes, edges):
    return self._fuse(nodes, edges, True)


def sigmoid(x) -> np.ndarray:
  return 1 / (1 + np.exp(-x))


def test_gates_choose_what_each_layer_takes(fill):
  rng = np.random.default_rng(0)
  nodes = rng.standard_normal((1, 4, WIDTH)).astype(np.float32)
  edges = rng.random((1, 4, 4)).astype(np.float32)
  fusion = Fusion(WIDTH, 0.0, layers=3)
  params = fill(fusion, nodes, edges, scale=0.8)
  first = params["first"]
  first = np.maximum(nodes @ first["kernel"] + first["bias"], 0)
  states, hidden, cell = first, np.zeros_like(first), np.zeros_like(first)
  for number in (1, 2, 3):
    update, forget, new, out = (
      states @ params["gates"][f"i{gate}"]["kernel"]
      + hidden @ params["gates"][f"h{gate}"]["kernel"]
      + params["gates"][f"h{gate}"]["bias"]
      for gate in "ifgo"
    )
    cell = sigmoid(forget) * cell + sigmoid(update) * np.tanh(new)
    hidden = sigmoid(out) * np.tanh(cell)
    layer = GraphLayer(number, alpha=0.2, eta=0.5)
    own = {"params": params[f"layer_{number}"]}
    grown = np.asarray(layer.apply(own, jnp.asarray(hidden), first, edges))
    states = states + np.maximum(grown, 0)
  found = fusion.apply({"params": params}, nodes, edges)
  # float32 in another order of sums.
  np.testing.assert_allclose(found, states, atol=1e-5)
