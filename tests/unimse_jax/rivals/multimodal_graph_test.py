"""The graph of MMGCN and MM-DFN against loops over its edges."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.dialogues import Dialogues
from unimse_jax.rivals.multimodal_graph import (
  GraphLayer,
  node_mask,
  side_by_side,
  spread,
)
from unimse_jax.rivals.streams import TEXT, Stream

# Of two modalities; the second utterance lacks the second, a third is padding.
MASK = np.array([[[True, True, False], [True, False, False]]])
ACROSS = 0.7


def test_an_utterance_has_no_node_of_what_it_lacks():
  def stream(*lengths):
    mask = np.arange(2) < np.array(lengths)[:, None]
    return Stream(jnp.zeros((4, 2, 1)), jnp.asarray(mask))

  streams = {TEXT: stream(0, 2, 0, 1), "audio": stream(0, 0, 0, 2)}
  rows = jnp.array([[3, 1, -1]])
  found = node_mask(streams, Dialogues(rows, jnp.zeros_like(rows)))
  np.testing.assert_array_equal(found, MASK)


def test_edges_join_a_modality_and_an_utterance():
  nodes = np.random.default_rng(0).standard_normal((1, 2, 3, 4))
  nodes = nodes.astype(np.float32)
  weights = np.eye(6)
  there = np.flatnonzero(MASK)  # nodes 0, 1 and 3
  for i in there:
    for j in there:
      x, y = nodes[0, i // 3, i % 3], nodes[0, j // 3, j % 3]
      cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
      near = 1 - math.acos(0.99999 * cosine) / math.pi
      if i != j and i // 3 == j // 3:
        weights[i, j] = near
      if i != j and i % 3 == j % 3:
        weights[i, j] = ACROSS * near
  assert (weights > 0).sum() == 6 + 4  # nodes 0-1 and 0-3, both ways
  scale = weights.sum(1) ** -0.5
  found = spread(jnp.asarray(nodes), jnp.asarray(MASK), ACROSS)[0]
  np.testing.assert_allclose(
    found, scale[:, None] * weights * scale, rtol=1e-5, atol=1e-7
  )


def test_the_slope_is_finite_for_equal_opposite_and_absent_nodes():
  nodes = jnp.array([[[[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [-1.0, -2.0]]]])
  mask = jnp.array([[[True, True, False, True]]])
  slope = jax.grad(lambda x: jnp.square(spread(x, mask, 1.0)).sum())(nodes)
  assert np.isfinite(slope).all()


def test_a_layer_mixes_neighbours_the_start_and_its_map(fill):
  rng = np.random.default_rng(0)
  states, first = rng.standard_normal((2, 1, 3, 4)).astype(np.float32)
  joined = rng.random((1, 3, 3)).astype(np.float32)
  layer = GraphLayer(number=2, alpha=0.25, eta=0.5)
  params = fill(layer, states, first, joined)
  mixed = 0.75 * joined @ states + 0.25 * first
  beta = math.log(1.25)
  weights = (1 - beta) * np.eye(4) + beta * np.asarray(params["map"]["kernel"])
  found = layer.apply({"params": params}, states, first, joined)
  np.testing.assert_allclose(found, mixed @ weights, atol=1e-6)


def test_nodes_of_an_utterance_stand_side_by_side():
  values = jnp.arange(12.0).reshape(1, 6, 2)
  np.testing.assert_array_equal(
    side_by_side(values, MASK),
    [[[0, 1, 6, 7], [2, 3, 0, 0], [0, 0, 0, 0]]],
  )
