"""Exact probabilities of the closed fields, by scoring every class.

The probability of class c in a slot, after the fields that the model wrote
before it, is P(fields before, c, separator) over the sum of the same over all
classes. The whole text up to the separator is scored, so the answer does not
depend on where the vocabulary cuts its pieces.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from unimse_jax.data.tokenizer import PAD
from unimse_jax.labels import LabelText


def candidate(
  fields: Mapping[str, str | float | None],
  slot: str,
  word: str,
  label_text: LabelText,
) -> str | None:
  """The text to score for one class of one slot.

  Returns:
    The fields before the slot, the class, and the separator unless the slot is
    the last; None where a field before the slot is not legal.
  """
  slots = label_text.slots
  place = slots.index(slot)
  before = [fields[name] for name in slots[:place]]
  if None in before:
    return None
  texts = [*map(label_text.field, before), word]
  end = "" if place == len(slots) - 1 else label_text.separator.rstrip()
  return label_text.separator.join(texts) + end


def log_probabilities(
  model: nn.Module,
  params: Any,
  encoded: jax.Array,
  encoder_mask: jax.Array,
  targets: jax.Array,
) -> jax.Array:
  """log P(target) of several texts a row.

  Args:
    model: with a method `score_tokens(decoder_input_tokens, encoded,
      encoder_mask)` that returns float32[B, T, V] logits.
    params: the model's parameters.
    encoded: [B, S, D].
    encoder_mask: bool[B, S].
    targets: int32[N, B, T], padded; an empty text has probability one.

  Returns:
    float32[N, B].
  """

  def score(target: jax.Array) -> jax.Array:
    inputs = jnp.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=PAD)
    logits = model.apply(
      {"params": params}, inputs, encoded, encoder_mask, method="score_tokens"
    )
    log_p = jax.nn.log_softmax(logits)
    chosen = jnp.take_along_axis(log_p, target[..., None], axis=-1)[..., 0]
    return jnp.where(target == PAD, 0.0, chosen).sum(-1)

  # One text at a time: the memory of N copies of the logits buys nothing.
  return jax.lax.map(score, targets)


def normalized(log_p: Sequence[float]) -> np.ndarray:
  """float64[N] that sum to one."""
  shifted = np.exp(np.asarray(log_p, np.float64) - np.max(log_p))
  return shifted / shifted.sum()
