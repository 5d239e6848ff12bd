"""DialogueGCN (Ghosal et al., EMNLP 2019).

Utterances of a dialogue are nodes of a graph whose edges tell who speaks and
when. In place of the paper's sentence vectors (a CNN on the words) come T5's,
beside those of voice and face.

Where its public code differs, this is the paper: the code scores edges by one
linear map of a fixed number of places and lets messages run from the centre of
a window to its edge (Eq. 1), has no activations in Eq. 2 and 3, shares its
relations' maps through 30 bases, and puts a tanh into the softmax of Eq. 5.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.rivals.dialogues import (
  Dialogues,
  JoinedUtterances,
  masked_softmax,
  rows_of,
)
from unimse_jax.rivals.recurrence import SequenceEncoder
from unimse_jax.rivals.relational_graph import RelationalSum, per_neighbour
from unimse_jax.rivals.streams import Fused, Stream


class DialogueGCN(nn.Module):
  """Section 3.3 of the paper.

  Attributes:
    past: p, utterances before that an utterance has edges from.
    future: f, utterances after it.
    layers: number of recurrent layers; the paper gives none, its code two.
  """

  width: int
  dropout: float
  past: int = 10
  future: int = 10
  layers: int = 2

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    dialogues = Dialogues.of(batch)
    utterances = JoinedUtterances(self.width, self.dropout, name="utterances")(
      streams, dialogues, deterministic
    )
    # Section 3.3.1: the context of an utterance, regardless of speakers.
    context = SequenceEncoder(
      self.width, self.layers, self.dropout, "gru", name="context"
    )(utterances, dialogues.mask, deterministic)
    nodes = jnp.concatenate([context, self._graph(context, dialogues)], -1)
    # Eq. 4 to 6: each utterance attends to all of its dialogue.
    logits = jnp.einsum(
      "NUW,NVW->NUV",
      Dense(2 * self.width, use_bias=False, name="attention")(nodes),
      nodes,
    )
    attended = masked_softmax(logits, dialogues.pairs) @ nodes
    hidden = nn.relu(Dense(self.width, name="hidden")(attended))  # Eq. 7
    return Fused(rows_of(hidden, dialogues, streams))

  def _graph(self, context: jax.Array, dialogues: Dialogues) -> jax.Array:
    """Section 3.3.2, [N, U, width] -> [N, U, width]."""
    near = dialogues.window(self.past, self.future)
    logits = jnp.einsum(
      "NUW,NVW->NUV",
      Dense(self.width, use_bias=False, name="edge")(context),
      context,
    )
    edges = masked_softmax(logits, near)  # Eq. 1
    relations = dialogues.relations(near)
    weights = per_neighbour(relations) * edges[:, None]
    own = jnp.diagonal(edges, axis1=1, axis2=2)[..., None]
    first = nn.relu(  # Eq. 2
      RelationalSum(self.width, name="first")(context, weights)
      + own * Dense(self.width, use_bias=False, name="first_own")(context)
    )
    neighbours = relations.any(1).astype(jnp.float32)
    return nn.relu(  # Eq. 3
      neighbours @ Dense(self.width, use_bias=False, name="second")(first)
      + Dense(self.width, use_bias=False, name="second_own")(first)
    )
