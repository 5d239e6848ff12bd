"""DAG-ERC (Shen et al., ACL 2021).

Utterances are nodes of a directed acyclic graph: edges lead from all that was
said since the same speaker's last utterance, that one among them. A layer goes
through a dialogue in order. In place of the paper's RoBERTa sentence vectors
come T5's, beside those of voice and face. Only the past is read.

Where its public code differs, this is the paper: the code also gives the
classifier the sentence vectors, and has a second hidden layer.
"""

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
from unimse_jax.rivals.streams import Fused, Stream


class DAGERC(nn.Module):
  """The paper's graph layers and classifier.

  Attributes:
    layers: L, of the graph; the authors have 2 for MELD and 4 for IEMOCAP.
    turns: omega, how many utterances of the same speaker edges reach back.
  """

  width: int
  dropout: float
  layers: int = 2
  turns: int = 1

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
    states = [nn.relu(Dense(self.width, name="first")(utterances))]  # H^0
    before = predecessors(dialogues, self.turns)
    for number in range(self.layers):
      layer = _Layer(self.width, name=f"layer_{number}")
      states.append(layer(states[-1], before, dialogues.same_speaker))
    joined = jnp.concatenate(states, -1)
    joined = Dropout(self.dropout)(joined, deterministic)
    hidden = nn.relu(Dense(self.width, name="hidden")(joined))
    return Fused(rows_of(hidden, dialogues, streams))


def predecessors(dialogues: Dialogues, turns: int) -> jax.Array:
  """Edges of the graph (Algorithm 1 of the paper).

  Args:
    dialogues: order and speakers.
    turns: omega.

  Returns:
    bool[N, U, U], True where an edge leads to the first from the second.
  """
  place = jnp.arange(dialogues.rows.shape[1])
  earlier = place[None, :] < place[:, None]
  own = (dialogues.same_speaker & earlier).astype(jnp.int32)
  # Of the same speaker, later than the second and before the first.
  between = jnp.cumsum(own[..., ::-1], axis=-1)[..., ::-1] - own
  return dialogues.pairs & earlier & (between < turns)


class _Layer(nn.Module):
  """Each utterance reads what its predecessors just became."""

  width: int

  @nn.compact
  def __call__(
    self, below: jax.Array, before: jax.Array, same: jax.Array
  ) -> jax.Array:
    """Runs one layer.

    Args:
      below: float32[N, U, W], H^(l-1).
      before: bool[N, U, U], `predecessors`.
      same: bool[N, U, U], whether the speakers are the same.

    Returns:
      float32[N, U, W], H^l.
    """
    step = nn.scan(
      _Step, variable_broadcast="params", split_rngs={"params": False}
    )
    places = jnp.arange(below.shape[1])
    by_place = (each.swapaxes(0, 1) for each in (below, before, same))
    empty = jnp.zeros_like(below), jnp.zeros(below.shape[:2])
    (above, _), _ = step(self.width, name="step")(empty, (places, *by_place))
    return above


class _Step(nn.Module):
  """One utterance of a layer."""

  width: int

  @nn.compact
  def __call__(
    self, carry: tuple[jax.Array, jax.Array], inputs: tuple[jax.Array, ...]
  ) -> tuple[tuple[jax.Array, jax.Array], None]:
    """Fills in the utterance's state.

    Args:
      carry: float32[N, U, W], H^l up to the utterance, and float32[N, U], its
        scores as predecessors.
      inputs: int32[], the place; float32[N, W], H_i^(l-1); bool[N, U], the
        predecessors, and bool[N, U], whether they are the same speaker's.
    """
    above, scores = carry
    place, state, before, same = inputs
    weights = masked_softmax(scores, before)  # alpha_ij
    messages = [  # relation-aware: W_0 or W_1 by the speakers
      Dense(self.width, use_bias=False, name=name)(
        jnp.einsum("NU,NUW->NW", jnp.where(which, weights, 0.0), above)
      )
      for name, which in (("same", same), ("other", ~same))
    ]
    message = sum(messages)
    # The nodal and the contextual information unit.
    node = nn.GRUCell(self.width, name="node")(message, state)[1]
    context = nn.GRUCell(self.width, name="context")(state, message)[1]
    new = node + context
    # W_alpha on H_j; on H_i it adds the same to every j of the softmax.
    score = Dense(1, use_bias=False, name="score")(new)[:, 0]
    above = above.at[:, place].set(new)
    return (above, scores.at[:, place].set(score)), None
