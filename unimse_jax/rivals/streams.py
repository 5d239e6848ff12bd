"""What a system reads of an utterance, and what it gives back.

Letters of the shapes, beside those of `unimse_jax.models`: N dialogues of a
batch, U utterances of its longest one, W the width of the system.
"""

import jax
import jax.numpy as jnp
from flax import struct

from unimse_jax.models import masks

TEXT = "text"
MEMORY = "memory"  # Flax collection of what a system keeps from step to step


@struct.dataclass
class Stream:
  """One modality of B utterances, over time.

  Attributes:
    frames: float32[B, F, D]: T5's states of the words, or the frames of voice
      or face on the scale of the collator; F and D are the modality's own.
    mask: bool[B, F], True at the utterance's own words or its frames; without
      any, the utterance lacks the modality.
    longest: frames of the longest clip that the config lets in, whatever F
      is; the time scales of an LSTM start from it. Of words it is not used.
  """

  frames: jax.Array
  mask: jax.Array
  longest: int = struct.field(pytree_node=False, default=1)

  @property
  def present(self) -> jax.Array:
    """bool[B], whether the utterance has the modality."""
    return self.mask.any(axis=1)

  def mean(self) -> jax.Array:
    """float32[B, D], over the frames; zeros where there are none."""
    return masks.mean(self.frames, self.mask)


def spans(mask: jax.Array) -> tuple[jax.Array, jax.Array]:
  """When each frame begins and ends, in parts of the utterance.

  The valid places of bool[B, F] share [0, 1] out evenly, in their order:
  records have no times.

  Returns:
    Beginnings and ends, float32[B, F]; equal parts are equal numbers, whatever
    the modality's frames.
  """
  count = jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
  ends = jnp.cumsum(mask, axis=1)
  return (ends - 1) / count, ends / count


@struct.dataclass
class Fused:
  """What a system gives back.

  Attributes:
    vector: float32[B, V], which the heads read; V is W where the paper does not
      have them read several vectors of that width side by side.
    auxiliary: name -> float32[], the system's own losses, each a mean over the
      rows with an utterance, times its weight; of use in training alone.
  """

  vector: jax.Array
  auxiliary: dict[str, jax.Array] = struct.field(default_factory=dict)


def to_dialogues(values: jax.Array, rows: jax.Array) -> jax.Array:
  """Utterances by row -> by dialogue and place.

  Args:
    values: [B, ...].
    rows: int32[N, U], `dialogue_rows` of a batch, -1 after the last utterance.

  Returns:
    [N, U, ...], zeros where there is no utterance.
  """
  there = jnp.where(rows < 0, len(values), rows)
  return values.at[there].get(mode="fill", fill_value=0)


def to_rows(values: jax.Array, rows: jax.Array, count: int) -> jax.Array:
  """`to_dialogues` undone: [N, U, ...] -> [count, ...].

  Rows of no dialogue, the batch's padding, are zeros.
  """
  there = jnp.where(rows < 0, count, rows)
  empty = jnp.zeros((count, *values.shape[2:]), values.dtype)
  return empty.at[there].set(values, mode="drop")
