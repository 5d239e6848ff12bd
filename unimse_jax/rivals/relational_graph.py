"""One layer of a graph whose edges are of several kinds."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense


class RelationalSum(nn.Module):
  """sum_r sum_j w_rij W_r x_j (Schlichtkrull et al. 2018, Eq. 2)."""

  width: int

  @nn.compact
  def __call__(self, nodes: jax.Array, weights: jax.Array) -> jax.Array:
    """Messages of the neighbours.

    Args:
      nodes: float32[N, U, D].
      weights: float32[N, R, U, U], of an edge to the first from the second.

    Returns:
      float32[N, U, width].
    """
    relations = weights.shape[1]
    messages = Dense(relations * self.width, use_bias=False, name="relations")(
      nodes
    )
    messages = messages.reshape(*nodes.shape[:2], relations, self.width)
    return jnp.einsum("NRUV,NVRW->NUW", weights, messages)


def per_neighbour(relations: jax.Array) -> jax.Array:
  """1 / c_ir, c the number of i's neighbours of relation r, on its edges.

  bool[N, R, U, U] -> float32[N, R, U, U].
  """
  count = relations.sum(-1, keepdims=True)
  return relations / jnp.maximum(count, 1)
