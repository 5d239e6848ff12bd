"""The relational sum against a loop over edges."""

import numpy as np

from unimse_jax.rivals.relational_graph import RelationalSum, per_neighbour

RELATIONS = np.random.default_rng(1).random((2, 3, 4, 4)) < 0.4


def test_messages_are_summed_by_relation(fill):
  rng = np.random.default_rng(0)
  nodes = rng.standard_normal((2, 4, 5)).astype(np.float32)
  weights = (RELATIONS * rng.random(RELATIONS.shape)).astype(np.float32)
  layer = RelationalSum(6)
  params = fill(layer, nodes, weights)
  kernel = np.asarray(params["relations"]["kernel"]).reshape(5, 3, 6)
  expected = np.zeros((2, 4, 6))
  for number, relation, to, sender in zip(*RELATIONS.nonzero(), strict=True):
    message = nodes[number, sender] @ kernel[:, relation]
    expected[number, to] += weights[number, relation, to, sender] * message
  found = layer.apply({"params": params}, nodes, weights)
  # The order of the sums.
  np.testing.assert_allclose(found, expected, atol=1e-6)


def test_neighbours_of_a_relation_share_one():
  shares = np.asarray(per_neighbour(RELATIONS)).sum(-1)
  np.testing.assert_allclose(shares, RELATIONS.any(-1), rtol=1e-6)
