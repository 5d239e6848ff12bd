"""DialogueCRN (Hu, Wei and Huai, ACL 2021).

A query for each utterance reads the contexts of its dialogue over and over: an
LSTM reasons about what attention retrieves. In place of the paper's sentence
vectors come T5's, beside those of voice and face.

Where its public code differs, this is the paper: the code reads the contexts
themselves and not a linear map of them as the memory, and has a ReLU before
its classifier. The code trains with the focal loss.
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
from unimse_jax.rivals.streams import Fused, Stream


class DialogueCRN(nn.Module):
  """The paper's perception phase and cognition phase.

  Attributes:
    situation_turns: T^s, of reasoning about the dialogue.
    speaker_turns: T^v, of reasoning about what each speaker says. The paper
      tries 0 to 5 of each; these are what the authors train IEMOCAP with.
    layers: of each recurrent encoder.
  """

  width: int
  dropout: float
  situation_turns: int = 3
  speaker_turns: int = 4
  layers: int = 2

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`; the vector is 4 width long, [q^s; q^v]."""
    dialogues = Dialogues.of(batch)
    utterances = JoinedUtterances(self.width, self.dropout, name="utterances")(
      streams, dialogues, deterministic
    )
    queries = []
    for name, sequences, turns in (
      ("situation", dialogues.mask, self.situation_turns),
      ("speaker", dialogues.speaker_sequences, self.speaker_turns),
    ):
      # The perception phase: the context c_i in the dialogue, and
      # among what the same speaker says.
      context = SequenceEncoder(
        self.width, self.layers, self.dropout, "lstm", name=name
      )(utterances, sequences, deterministic)
      queries.append(
        Reasoning(self.width, turns, name=f"{name}_reasoning")(
          context, dialogues.pairs
        )
      )
    return Fused(rows_of(jnp.concatenate(queries, -1), dialogues, streams))


class Reasoning(nn.Module):
  """The cognition phase: T turns of reasoning and retrieving."""

  width: int
  turns: int

  @nn.compact
  def __call__(self, context: jax.Array, pairs: jax.Array) -> jax.Array:
    """Contexts c [N, U, width], bool[N, U, U] -> queries [N, U, 2 width]."""
    query = Dense(2 * self.width, name="query")(context)  # q^0 = W_q c + b_q
    if not self.turns:
      return query
    memory = Dense(self.width, name="memory")(context)  # g = W_g c + b_g
    cell = nn.OptimizedLSTMCell(self.width, name="lstm")
    state = cell.initialize_carry(jax.random.key(0), query.shape)  # zeros
    for _ in range(self.turns):
      state, reasoned = cell(state, query)  # conscious reasoning
      logits = jnp.einsum("NUW,NVW->NUV", reasoned, memory)
      retrieved = masked_softmax(logits, pairs) @ memory  # intuitive retrieving
      query = jnp.concatenate([reasoned, retrieved], -1)
    return query
