"""The graph of MMGCN and MM-DFN: a node for each modality of an utterance.

Letters beside those of `streams`: M modalities, so M U nodes a dialogue.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.rivals.dialogues import Dialogues
from unimse_jax.rivals.streams import Stream, to_dialogues

# Angles are taken of cosines times this, as in the public code of MMGCN and
# MM-DFN: the slope of arccos at 1 is infinite.
_SHRUNK = 0.99999


def node_mask(streams: dict[str, Stream], dialogues: Dialogues) -> jax.Array:
  """bool[N, M, U]; an utterance has no node of a modality that it lacks."""
  return jnp.stack(
    [to_dialogues(each.present, dialogues.rows) for each in streams.values()],
    axis=1,
  )


def spread(nodes: jax.Array, mask: jax.Array, across: float) -> jax.Array:
  """How far each node spreads to each in one layer.

  Edges join all nodes of one modality in a dialogue, and all nodes of one
  utterance. An edge weighs 1 - arccos(cos(x_i, x_j)) / pi, one between
  modalities `across` times that; D is the diagonal of their sums.

  Args:
    nodes: float32[N, M, U, D].
    mask: bool[N, M, U].
    across: gamma.

  Returns:
    float32[N, M U, M U], (D + I)^-1/2 (A + I) (D + I)^-1/2.
  """
  count, modalities, places, _ = nodes.shape
  # Square roots of sums have no gradient at zero.
  length = jnp.sqrt(jnp.square(nodes).sum(-1, keepdims=True) + 1e-12)
  units = (nodes / length).reshape(count, modalities * places, -1)
  cosine = jnp.einsum("NID,NJD->NIJ", units, units)
  angle = jnp.arccos(_SHRUNK * jnp.clip(cosine, -1.0, 1.0))
  modality, place = jnp.divmod(jnp.arange(modalities * places), places)
  alike = modality[:, None] == modality
  joined = (alike | (place[:, None] == place)) & ~jnp.eye(
    len(place), dtype=bool
  )
  valid = mask.reshape(count, -1)
  joined = joined & valid[:, :, None] & valid[:, None, :]
  weights = jnp.where(alike, 1.0, across) * (1 - angle / math.pi)
  weights = jnp.where(joined, weights, 0.0) + jnp.eye(len(place))
  scale = jax.lax.rsqrt(weights.sum(-1))
  return scale[:, :, None] * weights * scale[:, None, :]


class GraphLayer(nn.Module):
  """One layer of GCNII (Chen et al. 2020, Eq. 5), before its activation.

  Attributes:
    number: place of the layer, from 1.
    alpha: share of the first layer's input in each.
    eta: how fast beta, the share of the layer's map, falls with its number.
  """

  number: int
  alpha: float
  eta: float

  @nn.compact
  def __call__(
    self, states: jax.Array, first: jax.Array, spread: jax.Array
  ) -> jax.Array:
    """((1 - alpha) P H + alpha H^0) ((1 - beta) I + beta W).

    Args:
      states: float32[N, M U, W], H.
      first: float32[N, M U, W], H^0.
      spread: float32[N, M U, M U], P.
    """
    beta = math.log(self.eta / self.number + 1)
    mixed = (1 - self.alpha) * (spread @ states) + self.alpha * first
    mapped = Dense(states.shape[-1], use_bias=False, name="map")(mixed)
    return (1 - beta) * mixed + beta * mapped


def side_by_side(values: jax.Array, mask: jax.Array) -> jax.Array:
  """[N, M U, W] -> [N, U, M W]; zeros where an utterance has no node."""
  values = values.reshape(*mask.shape, -1)
  values = jnp.where(mask[..., None], values, 0.0).swapaxes(1, 2)
  return values.reshape(*values.shape[:2], -1)
