"""MMGCN (Hu et al., ACL 2021).

Each utterance has a node for each modality in one deep graph convolutional
network. In place of the paper's sentence vectors, openSMILE and DenseNet
features come the vectors of `UtteranceVectors`, whose last linear maps are
its encoders of voice and face.

Where its public code differs, this is the paper: the code adds the speaker's
embedding to the text alone, gives edges between modalities no weight of their
own (gamma = 1), joins a node to itself by an angle in place of 1, and has two
maps a layer, one of P H and one of H^0.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.dialogues import Dialogues, rows_of
from unimse_jax.rivals.multimodal_graph import (
  GraphLayer,
  node_mask,
  side_by_side,
  spread,
)
from unimse_jax.rivals.recurrence import SequenceEncoder
from unimse_jax.rivals.streams import TEXT, Fused, Stream, to_dialogues
from unimse_jax.rivals.utterance_vectors import UtteranceVectors


class MMGCN(nn.Module):
  """The paper's modality encoders, graph and classifier.

  Attributes:
    layers: number of graph layers.
    alpha: share of the first states in each layer.
    eta: how fast the share of a layer's map falls.
    across: gamma, weight of the edges between modalities.
    speakers: number of embeddings; speakers beyond share the last. The most in
      a dialogue are 9 in MELD, 2 in IEMOCAP.
  """

  width: int
  dropout: float
  layers: int = 4
  alpha: float = 0.1
  eta: float = 0.5
  across: float = 0.7
  speakers: int = 9

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    dialogues = Dialogues.of(batch)
    mask = node_mask(streams, dialogues)
    nodes = self._nodes(streams, dialogues, deterministic)
    edges = spread(nodes, mask, self.across)
    nodes = nodes.reshape(len(nodes), -1, nodes.shape[-1])
    dropped = Dropout(self.dropout)(nodes, deterministic)
    first = states = nn.relu(Dense(self.width, name="first")(dropped))
    for number in range(1, self.layers + 1):
      states = Dropout(self.dropout)(states, deterministic)
      states = nn.relu(
        GraphLayer(number, self.alpha, self.eta, name=f"layer_{number}")(
          states, first, edges
        )
      )
    # The emotion classifier: a hidden layer on [h'; g] of all modalities.
    joined = side_by_side(jnp.concatenate([dropped, states], -1), mask)
    joined = Dropout(self.dropout)(joined, deterministic)
    hidden = nn.relu(Dense(self.width, name="hidden")(joined))
    return Fused(rows_of(hidden, dialogues, streams))

  def _nodes(
    self,
    streams: dict[str, Stream],
    dialogues: Dialogues,
    deterministic: bool,
  ) -> jax.Array:
    """float32[N, M, U, 2 width], h' = [h; S] of speaker S."""
    vectors = UtteranceVectors(self.width, self.dropout, name="vectors")(
      streams, deterministic
    )
    vectors = {
      name: to_dialogues(each, dialogues.rows) for name, each in vectors.items()
    }
    vectors[TEXT] = SequenceEncoder(  # the other modalities have none
      self.width, 1, self.dropout, "lstm", name="context"
    )(vectors[TEXT], dialogues.mask, deterministic)
    speaker = nn.Embed(self.speakers, self.width, name="speaker")(
      jnp.minimum(dialogues.speakers, self.speakers - 1)
    )
    return jnp.stack(
      [jnp.concatenate([each, speaker], -1) for each in vectors.values()], 1
    )
