"""Every output of the automaton is a legal text, for every vocabulary."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sentencepiece

from unimse_jax.data import tokenizer
from unimse_jax.data.tokenizer import EOS, Tokenizer
from unimse_jax.decoding import generate, grammar
from unimse_jax.errors import InputError
from unimse_jax.labels import EmotionScheme, LabelSchema, LabelText

_MELD = EmotionScheme(
  "meld",
  dict.fromkeys(
    ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"), ""
  ),
)
_IEMOCAP = EmotionScheme(
  "iemocap",
  dict.fromkeys(
    ("joy", "sadness", "neutral", "anger", "excited", "frustrated"), ""
  ),
)
_SCHEMA = LabelSchema(intensity=True, schemes=(_MELD, _IEMOCAP))
# Words of which one begins another, and with a space in the middle.
_AWKWARD = LabelSchema(
  intensity=False,
  schemes=(
    EmotionScheme("own", dict.fromkeys(("sad", "sad er", "sadder"), "")),
  ),
)
_LABELS = [
  pytest.param(LabelText(_SCHEMA), 33, id="default"),
  pytest.param(LabelText(_SCHEMA, decimals=1), 33, id="one decimal"),
  pytest.param(LabelText(_SCHEMA, separator=","), 20, id="authors"),
  pytest.param(LabelText(_AWKWARD), 24, id="awkward"),
]
_TEXTS = [
  "the film was great, really",
  "positive, 1.6, joy, excited",
  "negative, -2.37, sadness, frustrated",
  "neutral, 0.45, surprise, disgust, fear, anger 89 saddern",
]


@pytest.fixture(scope="module", params=["real", "trained", "bytes"])
def vocabulary(request, tmp_path_factory) -> Tokenizer:
  """T5's own, one as the project trains it, one that falls back to bytes."""
  if request.param == "real":
    shared = request.getfixturevalue("shared_data")
    return Tokenizer(tokenizer.find(str(shared / "t5_vocab")))
  path = tmp_path_factory.mktemp("vocabulary") / "spiece.model"
  if request.param == "trained":
    tokenizer.train(_TEXTS * 20, ("positive", "joy"), 80, path)
  else:
    with path.open("wb") as file:
      sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the film was great, really"] * 20),
        model_writer=file,
        vocab_size=300,
        hard_vocab_limit=False,
        byte_fallback=True,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
      )
  return Tokenizer(path)


def write_at_random(
  automaton: grammar.TokenAutomaton, length: int, rng: np.random.Generator
) -> list[int]:
  """One text as the compiled loop would write it from random logits."""
  end = len(automaton.next_states) - 1
  state, text = 0, []
  while state != end:
    following = automaton.next_states[state]
    left = length - 1 - len(text)
    legal = (following >= 0) & (automaton.distance[following] <= left)
    scores = np.where(legal, rng.standard_normal(len(legal)), -np.inf)
    assert legal.any()
    column = scores.argmax()
    text.append(int(automaton.tokens[column]))
    state = following[column]
  return text


@pytest.mark.parametrize(("text", "length"), _LABELS)
def test_random_outputs_are_legal_texts_in_time(vocabulary, text, length):
  """Bytes alone need more places for long words: as many as they need."""
  surfaces = vocabulary.surfaces()
  far = grammar.compile_grammar(text, surfaces, 1000)
  length = max(length, int(far.distance[0]))
  automaton = grammar.compile_grammar(text, surfaces, length)
  words = [set(text.words(slot)) for slot in text.slots]
  rng = np.random.default_rng(0)
  lengths = set()
  for _ in range(300):
    tokens = write_at_random(automaton, length, rng)
    lengths.add(len(tokens))
    assert tokens[-1] == EOS and len(tokens) <= length
    written = vocabulary.decode(tokens)
    pieces = written.split(text.separator)
    assert len(pieces) == len(words)
    assert all(
      piece in legal for piece, legal in zip(pieces, words, strict=True)
    ), written
    assert not text.parse(written).malformed
  assert len(lengths) > 1


@pytest.mark.parametrize(("text", "length"), _LABELS)
def test_the_models_own_way_to_write_a_label_is_legal(vocabulary, text, length):
  automaton = grammar.compile_grammar(text, vocabulary.surfaces(), 200)
  column = {int(token): n for n, token in enumerate(automaton.tokens)}
  rng = np.random.default_rng(1)
  for _ in range(100):
    words = [rng.choice(text.words(slot)) for slot in text.slots]
    tokens = [*vocabulary.encode(text.separator.join(words)), EOS]
    state = 0
    for token in tokens:
      state = automaton.next_states[state, column[token]]
      assert state >= 0, words
    assert state == len(automaton.next_states) - 1


def test_distances_are_the_fewest_tokens_to_the_end(vocabulary):
  text = LabelText(_SCHEMA)
  automaton = grammar.compile_grammar(text, vocabulary.surfaces(), 200)
  expected = np.full(len(automaton.next_states), np.inf)
  expected[-1] = 0
  for _ in range(60):  # Bellman-Ford, more rounds than a text has tokens
    for state, following in enumerate(automaton.next_states[:-1]):
      legal = following[following >= 0]
      if len(legal):
        expected[state] = min(expected[state], 1 + expected[legal].min())
  reachable = np.isfinite(expected)
  np.testing.assert_array_equal(
    automaton.distance[reachable], expected[reachable]
  )
  assert (automaton.distance[~reachable] > 10**6).all()


def test_the_tables_of_the_real_vocabulary_are_small(shared_data):
  path = tokenizer.find(str(shared_data / "t5_vocab"))
  surfaces = Tokenizer(path).surfaces()
  automaton = grammar.compile_grammar(LabelText(_SCHEMA), surfaces, 33)
  assert automaton.next_states.nbytes < 2**20
  assert len(automaton.tokens) < 1000


def test_a_vocabulary_without_the_characters_is_named():
  surfaces = [None, None, None, *(b"%c" % c for c in b"abc positve,")]
  with pytest.raises(InputError, match="no piece has the characters"):
    grammar.compile_grammar(LabelText(_SCHEMA), surfaces, 33)


def test_too_few_places_for_any_label_are_named(vocabulary):
  with pytest.raises(InputError, match="max_new_tokens: expected at least"):
    grammar.compile_grammar(LabelText(_SCHEMA), vocabulary.surfaces(), 4)


def test_the_space_as_a_byte_is_never_written(vocabulary):
  """SentencePiece would not drop it at the beginning of a text."""
  rng = np.random.default_rng(2)
  automaton = grammar.compile_grammar(
    LabelText(_SCHEMA), vocabulary.surfaces(), 200
  )
  for _ in range(50):
    written = vocabulary.decode(write_at_random(automaton, 200, rng))
    assert written == written.strip()


class RandomLogits:
  """A "model" that wants something else at every place."""

  def __init__(self, entries: int):
    self.entries = entries

  def apply(self, variables, *args, method):
    if method == "start_cache":
      return jnp.zeros((len(args[0]), 1)), jnp.zeros(())
    tokens, index, cache = args[:3]
    key = jax.random.fold_in(variables["params"], index)
    # As wide as the logits of a sure model.
    logits = 5 * jax.random.normal(key, (len(tokens), self.entries))
    return logits, cache


@pytest.mark.parametrize(
  "outputs", [10, pytest.param(10_000, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("beams", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("text", "length"), _LABELS[:3])
def test_the_compiled_loop_writes_no_malformed_text(
  shared_data, text, length, beams, outputs
):
  vocabulary = Tokenizer(tokenizer.find(str(shared_data / "t5_vocab")))
  automaton = grammar.compile_grammar(text, vocabulary.surfaces(), length)
  mask = jnp.ones((min(outputs, 100), 1), bool)
  model = RandomLogits(32128)
  write = jax.jit(
    lambda key: generate.search(
      model, key, mask[..., None], mask, automaton, length - 1, beams
    )
  )
  words = [set(text.words(slot)) for slot in text.slots]
  written = set()
  for number in range(-(-outputs // 100)):
    for tokens in np.asarray(write(jax.random.key(number))):
      assert EOS in tokens.tolist()
      output = vocabulary.decode(tokens)
      written.add(output)
      fields = output.split(text.separator)
      assert all(
        field in legal for field, legal in zip(fields, words, strict=True)
      ), output
  assert len(written) > outputs / 2
