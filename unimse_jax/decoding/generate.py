"""Greedy and beam decoding with a key-value cache, in one compiled loop.

One search for both: greedy decoding is the beam of one. Which tokens may
follow is read from the table of a `grammar.TokenAutomaton`, so that free and
constrained decoding are the same program with other tables.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from unimse_jax.data.tokenizer import PAD
from unimse_jax.decoding.grammar import TokenAutomaton
from unimse_jax.models import vocabulary

_IMPOSSIBLE = -jnp.inf


@struct.dataclass
class _Beams:
  """K unfinished or finished texts a row.

  Attributes:
    index: int32[], the place that is written next.
    states: int32[B, K], of the automaton; the last one: ended.
    log_p: float32[B, K], of the texts so far.
    outputs: int32[B, K, T].
    cache: keys and values of the model, B * K rows.
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
  """The most probable legal text among those that K beams reach.

  Stops when every row has ended; a row that has ended only waits, so that its
  output does not depend on the others.

  Args:
    model: see the package.
    params: the model's parameters.
    encoded: [B, S, D] from `model.encode`.
    encoder_mask: bool[B, S]; a row without tokens has ended.
    automaton: legal tokens in each state.
    max_new_tokens: tokens before the end of sequence.
    beams: K; 1 is greedy decoding.
    length_penalty: texts are compared by log P / ((5 + tokens) / 6) ** penalty
      (Wu et al. 2016, Eq. 14, </s> counted); 0 compares log P itself.

  Returns:
    int32[B, max_new_tokens + 1], pad after the end of sequence.
  """
  length = max_new_tokens + 1  # the end of sequence has a place too
  apply = functools.partial(model.apply, {"params": params})
  cache, cross = apply(encoded, length, method="start_cache")
  # A row's beams share its encoded text; the cache alone differs between them.
  cache, *reads = jax.tree.map(
    lambda leaf: jnp.repeat(leaf, beams, axis=0) if leaf.ndim else leaf,
    (cache, cross, encoder_mask),
  )
  # Rows that only fill the batch up are done before they begin.
  ended = ~encoder_mask.any(axis=1)
  last = jax.lax.while_loop(
    functools.partial(_unfinished, automaton),
    functools.partial(_step, apply, reads, automaton, length_penalty),
    _first_beams(ended, automaton, beams, length, cache),
  )
  # The beams are kept in their order: the first is the best.
  return last.outputs[:, 0]


def _end(automaton: TokenAutomaton) -> int:
  """The state that nothing follows."""
  return automaton.next_states.shape[0] - 1


def _unfinished(automaton: TokenAutomaton, texts: _Beams) -> jax.Array:
  live = (texts.states != _end(automaton)) & (texts.log_p > _IMPOSSIBLE)
  return (texts.index < texts.outputs.shape[-1]) & live.any()


def _step(
  apply: Callable[..., Any],
  reads: Sequence[Any],
  automaton: TokenAutomaton,
  length_penalty: float,
  texts: _Beams,
) -> _Beams:
  """One token more in every text that has not ended.

  Args:
    apply: the model's, with its parameters.
    reads: keys, values and masks of the encoded rows that each step attends to.
    automaton: legal tokens in each state.
    length_penalty: see `search`.
    texts: tokens written so far.
  """
  last = texts.outputs[:, :, jnp.maximum(texts.index - 1, 0)].reshape(-1)
  decoded, cache = apply(
    last, texts.index, texts.cache, *reads, method="decode_step"
  )
  decoded, table = apply(decoded, method="output")
  rows, beams = texts.states.shape
  if beams == 1 and automaton.tokens is None:
    column = vocabulary.best(decoded, table)[:, None]
    return _append(
      texts, texts.log_p, jnp.zeros_like(column), column, cache, automaton
    )
  if beams == 1:
    # The best of the legal tokens is the same without those of all others.
    scores = vocabulary.scores(decoded, table[automaton.tokens])
  else:
    # log P is over the whole vocabulary, also where few tokens are legal.
    scores = jax.nn.log_softmax(vocabulary.scores(decoded, table))
    if automaton.tokens is not None:
      scores = scores[:, automaton.tokens]
  scores = scores.reshape(rows, beams, -1)
  return _extend(texts, scores, cache, automaton, length_penalty)


def _first_beams(
  ended: jax.Array,
  automaton: TokenAutomaton,
  beams: int,
  length: int,
  cache: Any,
) -> _Beams:
  """Texts without a token; bool[B] `ended` are rows that get none."""
  rows = len(ended)
  states = jnp.where(ended, _end(automaton), 0).astype(jnp.int32)
  # All beams start alike: the others wait until the first has branched.
  waiting = jnp.where(jnp.arange(beams) == 0, 0.0, _IMPOSSIBLE)
  return _Beams(
    index=jnp.zeros((), jnp.int32),
    states=jnp.broadcast_to(states[:, None], (rows, beams)),
    log_p=jnp.broadcast_to(waiting.astype(jnp.float32), (rows, beams)),
    outputs=jnp.full((rows, beams, length), PAD, jnp.int32),
    cache=cache,
  )


def _extend(
  texts: _Beams,
  scores: jax.Array,
  cache: Any,
  automaton: TokenAutomaton,
  length_penalty: float,
) -> _Beams:
  """The K best texts that are one token longer, best first."""
  rows, _, columns = scores.shape
  ended = texts.states == _end(automaton)
  scores = _legal_scores(texts, scores, ended, automaton)
  log_p, chosen = _choose(texts, scores, ended, length_penalty)
  log_p = jnp.take_along_axis(log_p.reshape(rows, -1), chosen, axis=1)
  return _append(
    texts, log_p, chosen // columns, chosen % columns, cache, automaton
  )


def _append(
  texts: _Beams,
  log_p: jax.Array,
  parent: jax.Array,
  column: jax.Array,
  cache: Any,
  automaton: TokenAutomaton,
) -> _Beams:
  """The texts one token longer; those that have ended stay as they are.

  Args:
    texts: those so far.
    log_p: float32[B, K], of the longer ones.
    parent: int32[B, K], the beam that each goes on from.
    column: int32[B, K], the place of its token among the automaton's.
    cache: keys and values of the model, of the beams so far.
    automaton: legal tokens in each state.
  """
  rows, beams = column.shape
  end = _end(automaton)

  def of_parent(values: jax.Array) -> jax.Array:
    index = parent.reshape(parent.shape + (1,) * (values.ndim - 2))
    return jnp.take_along_axis(values, index, axis=1)

  # Everything of a text moves with it: beams change places at every token.
  states = of_parent(texts.states)
  token = column
  if automaton.tokens is not None:
    token = jnp.asarray(automaton.tokens)[column]
  if beams > 1:
    cache = jax.tree.map(
      lambda leaf: of_parent(
        leaf.reshape(rows, beams, *leaf.shape[1:])
      ).reshape(leaf.shape),
      cache,
    )
  token = jnp.where(states == end, PAD, token)
  following = jnp.asarray(automaton.next_states)[states, column]
  return _Beams(
    index=texts.index + 1,
    states=jnp.where(states == end, end, following),
    log_p=log_p,
    outputs=of_parent(texts.outputs).at[:, :, texts.index].set(token),
    cache=cache,
  )


def _legal_scores(
  texts: _Beams,
  scores: jax.Array,
  ended: jax.Array,
  automaton: TokenAutomaton,
) -> jax.Array:
  """float32[B, K, C] with -inf where a token may not follow."""
  length = texts.outputs.shape[-1]
  next_states = jnp.asarray(automaton.next_states)[texts.states]
  # What is still to be written must fit behind this token.
  far = jnp.asarray(automaton.distance)[next_states] > length - 1 - texts.index
  scores = jnp.where((next_states < 0) | far, _IMPOSSIBLE, scores)
  # A text that has ended goes on as itself alone, at no cost.
  itself = jnp.where(jnp.arange(scores.shape[-1]) == 0, 0.0, _IMPOSSIBLE)
  return jnp.where(ended[..., None], itself, scores)


def _choose(
  texts: _Beams, scores: jax.Array, ended: jax.Array, length_penalty: float
) -> tuple[jax.Array, jax.Array]:
  """log P of every longer text, [B, K, C], and the places of the K best."""
  rows, beams, _ = scores.shape
  if beams == 1:
    # No sums: logits that differ by their last bit must not become equal.
    return scores, scores.argmax(-1)
  log_p = texts.log_p[..., None] + scores
  written = (texts.outputs != PAD).sum(-1) + ~ended
  ranked = log_p / (((5 + written) / 6) ** length_penalty)[..., None]
  return log_p, jax.lax.top_k(ranked.reshape(rows, -1), beams)[1]
