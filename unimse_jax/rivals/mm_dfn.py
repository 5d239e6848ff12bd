"""MM-DFN (Hu et al., ICASSP 2022).

MMGCN's graph, where an LSTM along the layers chooses what each layer takes
from those before. In place of the paper's sentence vectors, openSMILE and
DenseNet features come the vectors of `UtteranceVectors`, whose last linear
maps are the encoders of voice and face.

Where its public code differs, this is the paper: the code joins a node to
itself by an angle in place of 1, and has two maps a layer, one of P H and one
of H^0, and a ReLU before its classifier. The code trains with the focal loss.
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


class MMDFN(nn.Module):
  """The paper's encoders, dynamic fusion and classifier.

  Attributes:
    layers: K, number of graph layers; the authors try 16 and 32 on IEMOCAP.
    alpha: share of the first states in each layer.
    eta: how fast the share of a layer's map falls; rho in the paper.
    across: weight of the edges between modalities.
    text_speaker: gamma^t, weight of the speaker's own sequence in the text;
      this and the next two are the authors' for IEMOCAP, 1.5, 0.5 and 0.5 are
      for MELD.
    audio_speaker: gamma^a.
    video_speaker: gamma^v.
    encoder_layers: number of layers of each recurrent encoder.
  """

  width: int
  dropout: float
  layers: int = 16
  alpha: float = 0.2
  eta: float = 0.5
  across: float = 1.0
  text_speaker: float = 1.0
  audio_speaker: float = 3.0
  video_speaker: float = 0.0
  encoder_layers: int = 2

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`; the vector is 2 M width long."""
    dialogues = Dialogues.of(batch)
    mask = node_mask(streams, dialogues)
    nodes = self._nodes(streams, dialogues, deterministic)
    edges = spread(nodes, mask, self.across)
    nodes = nodes.reshape(len(nodes), -1, self.width)
    dropped = Dropout(self.dropout)(nodes, deterministic)
    fused = self._fuse(dropped, edges, deterministic)
    # The classifier reads [x; g] of all modalities.
    joined = side_by_side(jnp.concatenate([dropped, fused], -1), mask)
    return Fused(rows_of(joined, dialogues, streams))

  def _nodes(
    self,
    streams: dict[str, Stream],
    dialogues: Dialogues,
    deterministic: bool,
  ) -> jax.Array:
    """float32[N, M, U, width], x = c + gamma s.

    c is the context (for text alone, else the vector itself), s the state in
    what the same speaker says.
    """

    def encoder(name):
      return SequenceEncoder(
        self.width, self.encoder_layers, self.dropout, "gru", name=name
      )

    vectors = UtteranceVectors(self.width, self.dropout, name="vectors")(
      streams, deterministic
    )
    speaker = encoder("speaker")  # one for all modalities
    nodes = []
    for name, rows in vectors.items():
      own = context = to_dialogues(rows, dialogues.rows)
      if name == TEXT:
        context = encoder("context")(own, dialogues.mask, deterministic)
      said = speaker(own, dialogues.speaker_sequences, deterministic)
      nodes.append(context + getattr(self, f"{name}_speaker") * said)
    return jnp.stack(nodes, axis=1)

  def _fuse(
    self, nodes: jax.Array, edges: jax.Array, deterministic: bool
  ) -> jax.Array:
    """Graph-based dynamic fusion: [N, M U, W] -> [N, M U, W]."""
    first = nn.relu(Dense(self.width, name="first")(nodes))
    states = Dropout(self.dropout)(first, deterministic)
    # Its gates update, forget and put out; its cell is what was fused so far.
    gates = nn.OptimizedLSTMCell(self.width, name="gates")
    carry = gates.initialize_carry(jax.random.key(0), states.shape)  # zeros
    for number in range(1, self.layers + 1):
      carry, chosen = gates(carry, states)
      layer = GraphLayer(number, self.alpha, self.eta, name=f"layer_{number}")
      grown = nn.relu(layer(chosen, first, edges))
      states = states + Dropout(self.dropout)(grown, deterministic)
    return states
