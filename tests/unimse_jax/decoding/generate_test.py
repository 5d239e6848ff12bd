"""Cached greedy and beam decoding against plain loops without a cache."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.data.tokenizer import EOS, PAD
from unimse_jax.decoding import generate, grammar
from unimse_jax.models import vocabulary

_STEPS = 6


@pytest.fixture(scope="module")
def model(tiny_model):
  return tiny_model()


@pytest.fixture(scope="module")
def batch(make_batch):
  return make_batch(rows=5, seed=1)


@pytest.fixture(scope="module")
def params(model, batch, fill):
  """Large weights, so that rows write different texts."""
  return fill(model, batch, seed=3, scale=0.8)


@pytest.fixture(scope="module")
def encoded(model, batch, params):
  return jax.jit(
    lambda batch: model.apply({"params": params}, batch, method="encode")
  )(batch)


@pytest.fixture(scope="module")
def greedy(model, params):
  return jax.jit(
    lambda encoded, mask: generate.search(
      model, params, encoded, mask, grammar.free(40), _STEPS
    )
  )


@pytest.fixture(scope="module")
def score(model, params, score_tokens):
  """Logits of whole texts, without a cache."""
  return jax.jit(
    lambda tokens, encoded, mask: score_tokens(
      model, {"params": params}, tokens, encoded, mask
    )
  )


def chosen(encoded, rows):
  """Some rows of what the decoder reads."""
  return jax.tree.map(lambda leaf: leaf[rows], encoded)


def widened(encoded, places: int):
  """With so many places of nonsense behind the text."""
  pad = ((0, 0), (0, places), (0, 0))
  return encoded.replace(text=np.pad(encoded.text, pad, constant_values=3.0))


def plain_loop(score, encoded, mask) -> np.ndarray:
  """argmax token by token over the whole text so far."""
  rows = len(mask)
  written = np.zeros((rows, _STEPS + 2), np.int32)  # starts with pad
  for place in range(_STEPS + 1):
    logits = np.asarray(score(written[:, :-1], encoded, mask))[:, place]
    ended = (written[:, 1 : place + 1] == EOS).any(1)
    written[:, place + 1] = np.where(ended, PAD, logits.argmax(-1))
  return written[:, 1:]


def test_cached_tokens_are_those_of_the_plain_loop(
  greedy, score, encoded, batch
):
  mask = batch["encoder_mask"]
  found = np.asarray(greedy(encoded, mask))
  assert found.shape == (5, _STEPS + 1)
  np.testing.assert_array_equal(found, plain_loop(score, encoded, mask))
  assert len({tuple(row) for row in found.tolist()}) > 1


def test_cached_logits_are_those_of_the_whole_text(
  model, params, score, encoded, batch
):
  mask = batch["encoder_mask"]
  targets = batch["decoder_input_tokens"]
  variables = {"params": params}

  @jax.jit
  def steps(encoded, targets):
    cache, cross = model.apply(variables, encoded, 5, method="start_cache")
    found = []
    for place in range(5):
      decoded, cache = model.apply(
        variables,
        targets[:, place],
        jnp.int32(place),
        cache,
        cross,
        mask,
        method="decode_step",
      )
      output = model.apply(variables, decoded, method="output")
      found.append(vocabulary.scores(*output))
    return jnp.stack(found, axis=1)

  expected = score(targets, encoded, mask)
  # The demand of the design is equality; sums over a cache of another length
  # are grouped in another way: a few units in the last place.
  np.testing.assert_allclose(
    steps(encoded, targets), expected, rtol=1e-5, atol=1e-5
  )


class Script:
  """A "model" that writes given tokens, whatever it reads."""

  def __init__(self, tokens):
    self.tokens = jnp.asarray(tokens)

  def apply(self, variables, *args, method):
    if method == "start_cache":
      return jnp.zeros((), jnp.int32), None
    if method == "output":
      return args[0], jnp.eye(10)
    _, index, steps, _, _ = args
    # The cache counts the steps, to see that the loop ends early.
    return jax.nn.one_hot(self.tokens[:, index], 10), steps + 1


def written(tokens, steps: int, mask=None) -> list[list[int]]:
  rows = len(tokens)
  mask = np.ones((rows, 1), bool) if mask is None else mask
  found = generate.search(
    Script(tokens),
    {},
    jnp.zeros((rows, 1, 1)),
    jnp.asarray(mask),
    grammar.free(10),
    steps,
  )
  return found.tolist()


def test_after_its_end_a_row_stays_padding_while_others_go_on():
  tokens = [[5, 1, 7, 7, 7], [6, 6, 6, 1, 7]]
  assert written(tokens, 4) == [[5, 1, 0, 0, 0], [6, 6, 6, 1, 0]]


def test_the_limit_leaves_a_place_for_the_end():
  assert written([[5, 6, 1, 9]], 2) == [[5, 6, 1]]
  assert written([[5, 6, 7, 9]], 2) == [[5, 6, 7]]


def test_a_padding_row_does_not_keep_the_batch_waiting():
  mask = np.array([[True], [False]])
  # Row 1 never writes </s>: without the mask it would take all the steps.
  tokens = [[1, 9, 9, 9], [9, 9, 9, 9]]
  assert written(tokens, 3, mask) == [[1, 0, 0, 0], [0, 0, 0, 0]]


def test_the_loop_stops_when_all_have_ended():
  ran = []

  class Counting(Script):
    def apply(self, variables, *args, method):
      if method == "decode_step":
        jax.debug.callback(lambda index: ran.append(int(index)), args[1])
      return super().apply(variables, *args, method=method)

  generate.search(
    Counting([[5, 1, 7, 7, 7, 7, 7, 7]]),
    {},
    jnp.zeros((1, 1, 1)),
    jnp.ones((1, 1), bool),
    grammar.free(10),
    7,
  ).block_until_ready()
  jax.effects_barrier()
  assert sorted(ran) == [0, 1]


def test_companions_and_padding_do_not_change_a_row(greedy, encoded, batch):
  mask = batch["encoder_mask"]
  together = np.asarray(greedy(encoded, mask))
  order = [3, 1, 4, 0, 2]
  np.testing.assert_array_equal(
    greedy(chosen(encoded, np.array(order)), mask[order]), together[order]
  )
  alone = greedy(chosen(encoded, slice(2, 3)), mask[2:3])
  np.testing.assert_array_equal(alone[0], together[2])
  wider = widened(encoded, 4)
  found = greedy(wider, np.pad(mask, ((0, 0), (0, 4))))
  np.testing.assert_array_equal(found, together)


# Texts of up to three of the tokens 5, 6, 7, and </s>; of these 5 may not
# follow 6.
def small_grammar() -> grammar.TokenAutomaton:
  tokens = np.array([EOS, 5, 6, 7], np.int32)
  next_states = np.array(
    [[-1, 0, 1, 0], [-1, -1, 1, 2], [3, 2, 2, -1], [-1] * 4], np.int32
  )
  return grammar.TokenAutomaton(
    tokens, next_states, np.array([3, 2, 1, 0], np.int32)
  )


def legal_texts(automaton, length: int) -> list[tuple[int, ...]]:
  """Every text of the automaton that has at most `length` tokens."""
  end = len(automaton.next_states) - 1
  found, open_texts = [], [((), 0)]
  while open_texts:
    text, state = open_texts.pop()
    if state == end:
      found.append(text)
    elif len(text) < length:
      for token, following in zip(
        automaton.tokens, automaton.next_states[state], strict=True
      ):
        if following >= 0:
          open_texts.append(((*text, int(token)), following))
  return found


def log_p(score, text, encoded, mask) -> np.ndarray:
  """float64[B], by teacher forcing."""
  rows = len(mask)
  inputs = np.zeros((rows, _STEPS + 1), np.int32)
  inputs[:, 1 : len(text)] = text[:-1]
  logits = np.asarray(score(inputs, encoded, mask), np.float64)
  logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
  return sum(logits[:, place, token] for place, token in enumerate(text))


@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_wide_beams_find_the_best_of_all_legal_texts(
  model, params, score, encoded, batch, penalty
):
  """With as many beams as there are prefixes, nothing is ever lost."""
  mask, automaton = batch["encoder_mask"], small_grammar()
  texts = legal_texts(automaton, 5)
  assert len(texts) > 10
  expected = np.stack(
    [
      log_p(score, text, encoded, mask) / ((5 + len(text)) / 6) ** penalty
      for text in texts
    ]
  )
  found = jax.jit(
    lambda encoded: generate.search(
      model, params, encoded, mask, automaton, 4, 60, penalty
    )
  )(encoded)
  for row, best in zip(found, expected.argmax(0), strict=True):
    assert tuple(int(token) for token in row if token) == texts[best]


def test_beams_are_those_of_a_plain_beam_search(
  model, params, score, encoded, batch
):
  """Two beams, free: against a loop over texts without a cache."""
  mask, steps, beams = batch["encoder_mask"], 3, 2
  found = np.asarray(
    jax.jit(
      lambda encoded: generate.search(
        model, params, encoded, mask, grammar.free(40), steps, beams
      )
    )(encoded)
  )
  for row in range(len(mask)):
    kept = [((), 0.0)]
    for _ in range(steps + 1):
      longer = []
      for text, value in kept:
        if EOS in text:
          longer.append((text, value))
          continue
        for token in range(40):
          new = (*text, token)
          last = log_p(score, new, encoded, mask)[row]
          longer.append((new, last))
      kept = sorted(longer, key=lambda pair: -pair[1])[:beams]
    best = kept[0][0]
    assert tuple(found[row, : len(best)].tolist()) == best


@pytest.mark.parametrize("beams", [1, 3])
def test_a_constrained_text_ends_in_time(model, params, encoded, batch, beams):
  """Every length from the shortest text on, and every output is legal."""
  mask, automaton = batch["encoder_mask"], small_grammar()
  for steps in (2, 3, 5):
    found = generate.search(
      model, params, encoded, mask, automaton, steps, beams
    )
    legal = set(legal_texts(automaton, steps + 1))
    for row in np.asarray(found):
      assert tuple(int(token) for token in row if token) in legal


def test_a_legal_token_costs_the_same_in_any_vocabulary(
  tiny_model, tiny_t5, encoded, batch
):
  """Only the scores of the grammar's tokens are made."""

  def flops(pieces: int, automaton) -> float:
    t5 = dataclasses.replace(tiny_t5, vocab_size=pieces)
    model = tiny_model(t5=t5)

    def decode(params):
      mask = batch["encoder_mask"]
      return generate.search(model, params, encoded, mask, automaton, 4)

    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), batch))
    return jax.jit(decode).lower(shapes["params"]).cost_analysis()["flops"]

  assert flops(900, small_grammar()) == flops(40, small_grammar())
  # 5 rows, products of 16 numbers, at least; the loop's body counts once.
  more = flops(900, grammar.free(900)) - flops(40, grammar.free(40))
  assert more > 860 * 5 * 2 * 16


def test_beams_do_not_depend_on_companions_and_padding(
  model, params, encoded, batch
):
  search = jax.jit(
    lambda encoded, mask: generate.search(
      model, params, encoded, mask, grammar.free(40), _STEPS, 3, 1.0
    )
  )
  mask = batch["encoder_mask"]
  together = np.asarray(search(encoded, mask))
  for row in range(len(mask)):
    own = slice(row, row + 1)
    alone = search(chosen(encoded, own), mask[own])
    np.testing.assert_array_equal(alone[0], together[row])
  wider = widened(encoded, 4)
  found = search(wider, np.pad(mask, ((0, 0), (0, 4))))
  np.testing.assert_array_equal(found, together)
