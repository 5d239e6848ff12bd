"""Greedy decoding with a key-value cache, in one compiled loop."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.data.tokenizer import EOS, PAD


def greedy(
  model: nn.Module,
  params: Any,
  encoded: jax.Array,
  encoder_mask: jax.Array,
  max_new_tokens: int,
) -> jax.Array:
  """The most probable token at every place.

  Stops when every row has ended; a row that has ended only waits, so that its
  output does not depend on the others.

  Args:
    model: see the package.
    params: its parameters.
    encoded: [B, S, D] from `model.encode`.
    encoder_mask: bool[B, S]; a row without tokens has ended.
    max_new_tokens: tokens before the end of sequence.

  Returns:
    int32[B, max_new_tokens + 1], pad after the end of sequence.
  """
  variables = {"params": params}
  length = max_new_tokens + 1  # the end of sequence has a place too
  cache, cross = model.apply(variables, encoded, length, method="start_cache")
  rows = encoded.shape[0]
  start = (
    jnp.zeros((), jnp.int32),
    jnp.full((rows,), PAD, jnp.int32),
    ~encoder_mask.any(axis=1),
    jnp.full((rows, length), PAD, jnp.int32),
    cache,
  )

  def unfinished(carry) -> jax.Array:
    index, _, ended, _, _ = carry
    return (index < length) & ~ended.all()

  def step(carry):
    index, tokens, ended, outputs, cache = carry
    logits, cache = model.apply(
      variables, tokens, index, cache, cross, encoder_mask, method="decode_step"
    )
    tokens = jnp.where(ended, PAD, logits.argmax(-1).astype(jnp.int32))
    outputs = outputs.at[:, index].set(tokens)
    return index + 1, tokens, ended | (tokens == EOS), outputs, cache

  return jax.lax.while_loop(unfinished, step, start)[3]
