"""COGMEN (Joshi et al., NAACL 2022).

A Transformer reads the whole dialogue, then a relational graph layer and a
graph Transformer read the neighbours. In place of the paper's SBERT,
openSMILE and OpenFace features come the vectors of `UtteranceVectors`.

Where its public code differs, this is the paper: the code's Transformer also
reads the padding, and batch normalisation and a leaky ReLU follow the graph.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.dialogues import (
  Dialogues,
  JoinedUtterances,
  masked_softmax,
  rows_of,
)
from unimse_jax.rivals.relational_graph import RelationalSum, per_neighbour
from unimse_jax.rivals.streams import Fused, Stream


class COGMEN(nn.Module):
  """The paper's context extractor, graph and classifier.

  Attributes:
    past: P, utterances before that an utterance has edges from.
    future: F, utterances after it.
    layers: number of Transformer layers that read the dialogue.
    heads: number of heads of the graph Transformer, each as wide as `width`.
  """

  width: int
  dropout: float
  past: int = 5
  future: int = 5
  layers: int = 2
  heads: int = 1

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    dialogues = Dialogues.of(batch)
    states = JoinedUtterances(self.width, self.dropout, name="utterances")(
      streams, dialogues, deterministic
    )
    for number in range(self.layers):
      layer = _TransformerLayer(self.dropout, name=f"layer_{number}")
      states = layer(states, dialogues.pairs, deterministic)
    states = Dense(self.width, name="context")(states)
    # Relational GCN (Schlichtkrull et al. 2018), then graph Transformer.
    near = dialogues.window(self.past, self.future)
    weights = per_neighbour(dialogues.relations(near))
    states = RelationalSum(self.width, name="relational")(
      states, weights
    ) + Dense(self.width, name="relational_own")(states)
    graph = GraphTransformer(self.width, self.heads, name="graph")(states, near)
    hidden = nn.relu(Dense(self.width, name="hidden")(graph))
    return Fused(rows_of(hidden, dialogues, streams))


class _TransformerLayer(nn.Module):
  """Vaswani et al. 2017, normalised after each sum, without positions."""

  dropout: float

  @nn.compact
  def __call__(
    self, x: jax.Array, pairs: jax.Array, deterministic: bool
  ) -> jax.Array:
    """[N, U, D], bool[N, U, U] -> [N, U, D]."""
    width = x.shape[-1]
    # The authors' choice: as many heads, from 7 to 14, as divide the width.
    heads = next((each for each in range(7, 15) if width % each == 0), 1)
    attended = nn.MultiHeadDotProductAttention(heads, name="attention")(
      x, mask=pairs[:, None]
    )
    attended = Dropout(self.dropout)(attended, deterministic)
    x = nn.LayerNorm(epsilon=1e-5, name="attention_norm")(x + attended)
    hidden = nn.relu(Dense(4 * width, name="hidden")(x))
    hidden = Dropout(self.dropout)(hidden, deterministic)
    hidden = Dropout(self.dropout)(
      Dense(width, name="out")(hidden), deterministic
    )
    return nn.LayerNorm(epsilon=1e-5, name="norm")(x + hidden)


class GraphTransformer(nn.Module):
  """Shi et al. 2021: attention along the edges."""

  width: int
  heads: int

  @nn.compact
  def __call__(self, x: jax.Array, near: jax.Array) -> jax.Array:
    """[N, U, D], bool[N, U, U] -> [N, U, heads width]."""

    def project(name):
      flat = Dense(self.heads * self.width, name=name)(x)
      return flat.reshape(*x.shape[:2], self.heads, self.width)

    logits = jnp.einsum("NUHW,NVHW->NHUV", project("query"), project("key"))
    weights = masked_softmax(logits / math.sqrt(self.width), near[:, None])
    read = jnp.einsum("NHUV,NVHW->NUHW", weights, project("value"))
    own = Dense(self.heads * self.width, name="own")(x)
    return own + read.reshape(own.shape)
