"""Greedy and beam decoding with a key-value cache, in one compiled loop.

One search for both: greedy decoding is the beam of one. Which tokens may
follow is read from the table of a `grammar.TokenAutomaton`, so that free and
constrained decoding are the same program with other tables.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from unimse_jax.data.tokenizer import PAD
from unimse_jax.decoding.grammar import TokenAutomaton

_IMPOSSIBLE = -jnp.inf


@struct.dataclass
class _Beams:
  """K unfinished or finished texts a row.

  Attributes:
    index: int32[], the place that is written next.
    states: int32[B, K], of the automaton; the last one: ended.
    log_p: float32[B, K], of the texts so far.
    outputs: int32[B, K, T].
    cache: of the model, B * K rows.
  """

  index: jax.Array
  states: jax.Array
  log_p: jax.Array
  outputs: jax.Array
  cache: Any


def search(
  model: nn.Module,
  params: Any,
  encoded: jax.Array,
  encoder_mask: jax.Array,
  automaton: TokenAutomaton,
  max_new_tokens: int,
  beams: int = 1,
  length_penalty: float = 0.0,
) -> jax.Array:
  """The most probable legal text, as far as K beams find it.

  Stops when every row has ended; a row that has ended only waits, so that its
  output does not depend on the others.

  Args:
    model: see the package.
    params: its parameters.
    encoded: [B, S, D] from `model.encode`.
    encoder_mask: bool[B, S]; a row without tokens has ended.
    automaton: what may follow what.
    max_new_tokens: tokens before the end of sequence.
    beams: K; 1 is greedy decoding.
    length_penalty: texts are compared by log P / ((5 + tokens) / 6) ** penalty
      (Wu et al. 2016, Eq. 14, </s> counted); 0 compares log P itself.

  Returns:
    int32[B, max_new_tokens + 1], pad after the end of sequence.
  """
  variables = {"params": params}
  length = max_new_tokens + 1  # the end of sequence has a place too
  rows = encoded.shape[0]
  cache, cross = model.apply(variables, encoded, length, method="start_cache")
  cache, cross, mask = jax.tree.map(
    lambda leaf: jnp.repeat(leaf, beams, axis=0) if leaf.ndim else leaf,
    (cache, cross, encoder_mask),
  )
  end = automaton.next_states.shape[0] - 1
  empty = ~encoder_mask.any(axis=1)
  # All beams start alike: the others wait until the first has branched.
  waiting = jnp.where(jnp.arange(beams) == 0, 0.0, _IMPOSSIBLE)
  start = _Beams(
    index=jnp.zeros((), jnp.int32),
    states=jnp.broadcast_to(
      jnp.where(empty, end, 0).astype(jnp.int32)[:, None], (rows, beams)
    ),
    log_p=jnp.broadcast_to(waiting.astype(jnp.float32), (rows, beams)),
    outputs=jnp.full((rows, beams, length), PAD, jnp.int32),
    cache=cache,
  )

  def unfinished(found: _Beams) -> jax.Array:
    live = (found.states != end) & (found.log_p > _IMPOSSIBLE)
    return (found.index < length) & live.any()

  def step(found: _Beams) -> _Beams:
    last = found.outputs[:, :, jnp.maximum(found.index - 1, 0)]
    logits, cache = model.apply(
      variables,
      last.reshape(-1),
      found.index,
      found.cache,
      cross,
      mask,
      method="decode_step",
    )
    if beams > 1:
      logits = jax.nn.log_softmax(logits)
    # log P is over the whole vocabulary, also where few tokens are legal.
    scores = logits[:, automaton.tokens].reshape(rows, beams, -1)
    return _extend(found, scores, cache, automaton, length_penalty)

  found = jax.lax.while_loop(unfinished, step, start)
  # The beams are kept in their order: the first is the best.
  return found.outputs[:, 0]


def _extend(
  found: _Beams,
  scores: jax.Array,
  cache: Any,
  automaton: TokenAutomaton,
  length_penalty: float,
) -> _Beams:
  """The K best texts that are one token longer, best first."""
  rows, beams, length = found.outputs.shape
  columns = scores.shape[-1]
  end = automaton.next_states.shape[0] - 1
  next_states = jnp.asarray(automaton.next_states)[found.states]
  # What is still to be written must fit behind this token.
  far = jnp.asarray(automaton.distance)[next_states] > length - 1 - found.index
  scores = jnp.where((next_states < 0) | far, _IMPOSSIBLE, scores)
  ended = found.states == end
  # A text that has ended goes on as itself alone, at no cost.
  itself = jnp.where(jnp.arange(columns) == 0, 0.0, _IMPOSSIBLE)
  scores = jnp.where(ended[..., None], itself, scores)
  if beams == 1:
    # No sums: logits that differ by their last bit must not become equal.
    log_p = scores
    chosen = scores.argmax(-1)
  else:
    log_p = found.log_p[..., None] + scores
    written = (found.outputs != PAD).sum(-1) + ~ended
    ranked = log_p / (((5 + written) / 6) ** length_penalty)[..., None]
    _, chosen = jax.lax.top_k(ranked.reshape(rows, -1), beams)
  parent, column = chosen // columns, chosen % columns

  def of_parent(values: jax.Array) -> jax.Array:
    index = parent.reshape(parent.shape + (1,) * (values.ndim - 2))
    return jnp.take_along_axis(values, index, axis=1)

  waits = of_parent(ended)
  token = jnp.where(waits, PAD, jnp.asarray(automaton.tokens)[column])
  following = jnp.take_along_axis(of_parent(next_states), column[..., None], -1)
  if beams > 1:
    cache = jax.tree.map(
      lambda leaf: of_parent(
        leaf.reshape(rows, beams, *leaf.shape[1:])
      ).reshape(leaf.shape),
      cache,
    )
  return _Beams(
    index=found.index + 1,
    states=jnp.where(waits, end, following[..., 0]),
    log_p=jnp.take_along_axis(log_p.reshape(rows, -1), chosen, axis=1),
    outputs=of_parent(found.outputs).at[:, :, found.index].set(token),
    cache=cache,
  )
