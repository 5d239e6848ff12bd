"""The utterances of a batch by dialogue, and which of them are neighbours."""

from typing import Self

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from unimse_jax.rivals.streams import Stream, to_dialogues, to_rows
from unimse_jax.rivals.utterance_vectors import UtteranceVectors

RELATIONS = 4


@struct.dataclass
class Dialogues:
  """N dialogues of at most U utterances.

  Attributes:
    rows: int32[N, U], row of each utterance in the batch, in their order; -1
      after the last.
    speakers: int32[N, U], number of the speaker in the dialogue.
  """

  rows: jax.Array
  speakers: jax.Array

  @classmethod
  def of(cls, batch: dict[str, jax.Array]) -> Self:
    return cls(batch["dialogue_rows"], batch["dialogue_speakers"])

  @property
  def mask(self) -> jax.Array:
    """bool[N, U], True where there is an utterance."""
    return self.rows >= 0

  @property
  def pairs(self) -> jax.Array:
    """bool[N, U, U], True where there are both utterances."""
    return self.mask[:, :, None] & self.mask[:, None, :]

  @property
  def same_speaker(self) -> jax.Array:
    """bool[N, U, U], True where both have the same speaker."""
    same = self.speakers[:, :, None] == self.speakers[:, None, :]
    return same & self.pairs

  @property
  def speaker_sequences(self) -> jax.Array:
    """int32[N, U], the speakers, but -1 where there is no utterance."""
    return jnp.where(self.mask, self.speakers, -1)

  def window(self, past: int, future: int) -> jax.Array:
    """bool[N, U, U], True where the second is near the first, or the same.

    Args:
      past: number of utterances before the first that are near.
      future: number of utterances after it.
    """
    place = jnp.arange(self.rows.shape[1])
    ahead = place[None, :] - place[:, None]
    return self.pairs & (-past <= ahead) & (ahead <= future)

  def relations(self, near: jax.Array) -> jax.Array:
    """Kinds of neighbours: whose the second utterance is, and when.

    DialogueGCN and COGMEN have two relations (before, after) for each ordered
    pair of speakers, so 8 of IEMOCAP's 2 and 162 of MELD's 9. Numbers of
    speakers mean little across dialogues and corpora, so here the relations
    are four: the same speaker or another, before or after.

    Args:
      near: bool[N, U, U], `window`.

    Returns:
      bool[N, RELATIONS, U, U]; an utterance has no relation to itself.
    """
    place = jnp.arange(self.rows.shape[1])
    before = place[None, :] < place[:, None]
    after = place[None, :] > place[:, None]
    same = self.same_speaker
    return jnp.stack(
      [near & who & when for who in (same, ~same) for when in (before, after)],
      axis=1,
    )


class JoinedUtterances(nn.Module):
  """u_i = [x^t; x^a; x^v], for systems that read one vector an utterance."""

  width: int
  dropout: float

  @nn.compact
  def __call__(
    self, streams: dict[str, Stream], dialogues: Dialogues, deterministic: bool
  ) -> jax.Array:
    """float32[N, U, M width], of M modalities."""
    vectors = UtteranceVectors(self.width, self.dropout, name="vectors")(
      streams, deterministic
    )
    joined = jnp.concatenate([*vectors.values()], axis=-1)
    return to_dialogues(joined, dialogues.rows)


def masked_softmax(logits: jax.Array, mask: jax.Array) -> jax.Array:
  """Over the last axis where the mask is True; zeros elsewhere."""
  weights = nn.softmax(jnp.where(mask, logits, -1e30))
  return jnp.where(mask, weights, 0.0)


def rows_of(
  values: jax.Array, dialogues: Dialogues, streams: dict[str, Stream]
) -> jax.Array:
  """[N, U, ...] -> [B, ...], in the order of the streams' rows."""
  count = next(iter(streams.values())).mask.shape[0]
  return to_rows(values, dialogues.rows, count)
