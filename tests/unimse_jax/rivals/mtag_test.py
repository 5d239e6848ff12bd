"""MTAG's graph and its layer, against loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.rivals.mtag import GraphLayer, strongest, temporal_relations

SIZES = (("text", 3), ("audio", 4))
HEADS, WIDTH = 2, 6
TEXT = np.array([[True, True, False]])  # two words, half of the time each
AUDIO = np.array([[True, False, True, True]])  # three frames


def test_edges_tell_whether_the_source_is_of_the_same_time():
  found = temporal_relations([jnp.asarray(TEXT), jnp.asarray(AUDIO)])[0]
  valid = [0, 1, 3, 5, 6]  # the words: halves; the frames: thirds
  np.testing.assert_array_equal(
    found[np.ix_(valid, valid)],
    [
      [0, 2, 0, 0, 2],
      [1, 0, 1, 0, 0],
      [0, 2, 0, 2, 2],
      [0, 0, 1, 0, 2],
      [1, 0, 1, 1, 0],
    ],
  )


def test_frames_that_touch_are_not_of_the_same_time():
  # Thirds and sixths: the same point of time is the same number.
  words, frames = jnp.ones((1, 3), bool), jnp.ones((1, 6), bool)
  found = temporal_relations([words, frames])[0, :3, 3:]
  expected = np.array([[0, 0, 2, 2, 2, 2], [1, 1, 0, 0, 2, 2]])
  np.testing.assert_array_equal(found[:2], expected)


@pytest.mark.parametrize(
  ("share", "expected"),
  [
    (1.0, [[1, 1], [1, 0]]),
    (0.7, [[1, 0], [1, 0]]),  # two of three
    (0.4, [[0, 0], [1, 0]]),
    (0.3, [[0, 0], [0, 0]]),  # less than one
  ],
)
def test_the_strongest_edges_stay(share, expected):
  weights = jnp.array([[[0.5, 0.3], [0.7, 0.9]]])
  edges = jnp.array([[[True, True], [True, False]]])
  found = strongest(weights, edges, share)
  np.testing.assert_array_equal(found[0], np.array(expected, bool))


def test_each_graph_is_pruned_by_itself():
  weights = jnp.array([[[0.9, 0.8]], [[0.2, 0.1]]])
  found = strongest(weights, jnp.ones((2, 1, 2), bool), 0.5)
  np.testing.assert_array_equal(found, [[[True, False]]] * 2)


def test_the_weakest_edge_that_stays_is_that_of_a_sort():
  rng = np.random.default_rng(0)
  weights = rng.random((3, 9, 9), np.float32) ** 20  # down to the least floats
  weights[:, ::2, 3] = 0.0
  weights[:, 1, ::2] = weights[:, 2, ::2] = 1.0  # ties
  edges = rng.random((3, 9, 9)) < 0.8
  for share in (0.1, 0.5, 0.8, 0.99):
    found = strongest(jnp.asarray(weights), jnp.asarray(edges), share)
    for own, there, kept in zip(weights, edges, found, strict=True):
      weakest = np.sort(own[there])[-int(share * there.sum())]
      np.testing.assert_array_equal(kept, there & (own >= weakest))


def test_a_layer_attends_by_the_kind_of_each_edge():
  rng = np.random.default_rng(0)
  count = sum(size for _, size in SIZES)
  nodes = rng.standard_normal((1, count, WIDTH))
  there = np.concatenate([TEXT, AUDIO], axis=1)
  edges = there[:, :, None] & there[:, None]
  edges[0, 1, 3] = edges[0, 0, 0] = False
  when = temporal_relations([jnp.asarray(TEXT), jnp.asarray(AUDIO)])
  layer = GraphLayer(SIZES, HEADS, keep=1.0, dropout=0.0)
  carry = (jnp.asarray(nodes), jnp.asarray(edges))
  variables = layer.init(jax.random.key(0), carry, when, True)
  variables = jax.tree.map(
    lambda leaf: rng.standard_normal(leaf.shape), variables
  )
  (found, kept), _ = layer.apply(variables, carry, when, True)
  np.testing.assert_array_equal(kept, edges)

  params = variables["params"]
  kinds = [
    number for number, (_, size) in enumerate(SIZES) for _ in range(size)
  ]
  values = np.stack(
    [
      nodes[0, place] @ params[SIZES[kind][0]]["kernel"]
      for place, kind in enumerate(kinds)
    ]
  ).reshape(count, HEADS, -1)
  for i in range(count):
    sources = np.flatnonzero(edges[0, i])
    mixed = np.zeros((HEADS, WIDTH // HEADS))
    for head in range(HEADS if len(sources) else 0):
      logits = []
      for j in sources:
        kind = (kinds[i], kinds[j], int(when[0, i, j]), head)
        logit = params["target_attention"][kind] @ values[i, head]
        logit += params["source_attention"][kind] @ values[j, head]
        logits.append(max(logit, 0.2 * logit))
      weights = np.exp(np.array(logits) - max(logits))
      mixed[head] = weights / weights.sum() @ values[sources, head]
    np.testing.assert_allclose(
      found[0, i], mixed.reshape(-1) + params["bias"], rtol=1e-4, atol=1e-5
    )
