"""The automaton writes every legal text as it is cut in training, no other."""

import itertools

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
# The classes whose polarity is fixed, as the schemes have them.
_FIXED = {"neutral": "neutral", "joy": "positive", "excited": "positive"}
_TIED = LabelSchema(
  intensity=True,
  schemes=tuple(
    EmotionScheme(
      scheme.name,
      {
        word: "" if word == "surprise" else _FIXED.get(word, "negative")
        for word in scheme.classes
      },
    )
    for scheme in (_MELD, _IEMOCAP)
  ),
)
# Words of which one begins another, and with a space in the middle.
_AWKWARD = LabelSchema(
  intensity=False,
  schemes=(
    EmotionScheme("own", dict.fromkeys(("sad", "sad er", "sadder"), "")),
  ),
)
# What MOSEI's raters' means and MOSI's tenths come to, in float32.
_GRID = tuple(
  sorted(
    {float(np.float32(n / 3)) for n in range(-9, 10)}
    | {float(np.float32(n / 10)) for n in range(-30, 31, 2)}
  )
)
_LABELS = [
  pytest.param(LabelText(_SCHEMA), 33, id="default"),
  pytest.param(LabelText(_SCHEMA, decimals=1), 33, id="one decimal"),
  pytest.param(LabelText(_SCHEMA, separator=","), 20, id="authors"),
  pytest.param(
    LabelText(_SCHEMA, separator=",", raw=True, grid=_GRID),
    20,
    id="authors, raw numbers",
  ),
  pytest.param(LabelText(_SCHEMA.three_field()), 33, id="three fields"),
  pytest.param(
    LabelText(_SCHEMA, decimals=1, grid=_GRID, snap=True), 33, id="snapped"
  ),
  pytest.param(LabelText(_SCHEMA, " , ", 1), 33, id="spaced comma"),
  pytest.param(LabelText(_AWKWARD), 24, id="awkward"),
  pytest.param(LabelText(_TIED, consistent=True), 33, id="consistent"),
  pytest.param(
    LabelText(_TIED, ",", raw=True, grid=_GRID, consistent=True),
    20,
    id="consistent, raw numbers",
  ),
  pytest.param(
    LabelText(
      _TIED.three_field(),
      consistent=True,
      contradictions=frozenset({("positive", "emotion", "anger")}),
    ),
    33,
    id="consistent, with an exception",
  ),
]
_TEXTS = [
  "the film was great, really",
  "positive, 1.6, joy, excited",
  "negative, -2.37, sadness, frustrated",
  "neutral, 0.45, surprise, disgust, fear, anger 89 saddern",
]


_KINDS = ["real", "trained", "bytes", "crossing"]


@pytest.fixture(scope="module", params=_KINDS)
def vocabulary(request, tmp_path_factory) -> Tokenizer:
  """T5's own, one as the project trains it, one that falls back to bytes, and
  one with pieces that begin in one field and end in the next.
  """
  if request.param == "real":
    shared = request.getfixturevalue("shared_data")
    return Tokenizer(tokenizer.find(str(shared / "t5_vocab")))
  path = tmp_path_factory.mktemp("vocabulary") / "spiece.model"
  if request.param == "trained":
    tokenizer.train(_TEXTS * 20, ("positive", "joy"), 80, path)
  elif request.param == "crossing":
    with path.open("wb") as file:
      sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_TEXTS * 20),
        model_writer=file,
        vocab_size=90,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        user_defined_symbols=["e,-", ",s", "y,\u2581", "1,s", "d\u2581,"],
        minloglevel=2,
      )
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
  """Letters and bytes alone need more places: as many as they need."""
  far = grammar.compile_grammar(text, vocabulary, 1000)
  # Five tokens more than the shortest text needs, so that longer texts are
  # legal too: "excited" has four letters more than "joy".
  length = max(length, int(far.distance[0]) + 5)
  automaton = grammar.compile_grammar(text, vocabulary, length)
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


def all_texts(text: LabelText) -> list[str]:
  found = []
  for polarity in text.words("polarity"):
    words = [text.words_after(polarity, slot) for slot in text.slots[1:]]
    found += [
      text.separator.join((polarity, *fields))
      for fields in itertools.product(*words)
    ]
  return found


def accepted(automaton: grammar.TokenAutomaton, tokens: list[int]) -> bool:
  places = np.searchsorted(automaton.tokens, tokens)
  state = 0
  for token, place in zip(tokens, places, strict=True):
    if place == len(automaton.tokens) or automaton.tokens[place] != token:
      return False
    state = automaton.next_states[state, place]
    if state < 0:
      return False
  return bool(state == len(automaton.next_states) - 1)


def count_paths(automaton: grammar.TokenAutomaton) -> int:
  paths = [0] * len(automaton.next_states)
  paths[-1] = 1
  for state in reversed(range(len(paths) - 1)):
    following = automaton.next_states[state]
    paths[state] = sum(paths[each] for each in following[following >= 0])
  return paths[0]


@pytest.mark.parametrize(("text", "length"), _LABELS)
def test_each_legal_text_as_it_is_cut_in_training_and_nothing_else(
  vocabulary, text, length
):
  """As many ways through the automaton as texts, and each text is one."""
  automaton = grammar.compile_grammar(text, vocabulary, 200)
  texts = all_texts(text)
  assert count_paths(automaton) == len(texts) == len(set(texts))
  # All 75,726 of the default take a while; these differ in every field.
  for written in texts[:: max(1, len(texts) // 5003)]:
    assert accepted(automaton, [*vocabulary.encode(written), EOS]), written


@pytest.mark.slow
@pytest.mark.parametrize(("text", "length"), _LABELS)
def test_all_legal_texts_are_accepted(vocabulary, text, length):
  automaton = grammar.compile_grammar(text, vocabulary, 200)
  for written in all_texts(text):
    assert accepted(automaton, [*vocabulary.encode(written), EOS]), written


def test_another_cut_of_a_legal_text_is_not_accepted(shared_data):
  """The letters of a word that has a piece of its own."""
  vocabulary = Tokenizer(tokenizer.find(str(shared_data / "t5_vocab")))
  automaton = grammar.compile_grammar(LabelText(_SCHEMA), vocabulary, 33)
  number = {surface: n for n, surface in enumerate(vocabulary.surfaces())}
  own = [*vocabulary.encode("positive, 1.6, joy, excited"), EOS]
  assert accepted(automaton, own)
  start = vocabulary.encode("positive, 1.6,")
  spelt = [number[piece] for piece in (b" ", b"j", b"o", b"y")]
  other = [*start, *spelt, number[b","], number[b" excited"], EOS]
  assert vocabulary.decode(other).startswith("positive, 1.6, joy,")
  assert not accepted(automaton, other)


@pytest.mark.parametrize(("text", "length"), _LABELS)
def test_no_two_states_have_the_same_future(vocabulary, text, length):
  automaton = grammar.compile_grammar(text, vocabulary, 200)
  assert len(np.unique(automaton.next_states, axis=0)) == len(
    automaton.next_states
  )


@pytest.mark.parametrize(
  "written",
  ["negative, 2, surprise, anger", "neutral, 0.2, neutral, neutral"]
  + ["positive, 0, joy, excited", "positive, 1.6, anger, excited"],
)
def test_a_text_that_contradicts_itself_cannot_be_written(shared_data, written):
  vocabulary = Tokenizer(tokenizer.find(str(shared_data / "t5_vocab")))
  tokens = [*vocabulary.encode(written), EOS]
  for consistent in (False, True):
    text = LabelText(_TIED, consistent=consistent)
    automaton = grammar.compile_grammar(text, vocabulary, 33)
    assert accepted(automaton, tokens) is not consistent


def test_surprise_may_follow_every_polarity_but_its_number_is_tied(shared_data):
  vocabulary = Tokenizer(tokenizer.find(str(shared_data / "t5_vocab")))
  text = LabelText(_TIED, consistent=True)
  automaton = grammar.compile_grammar(text, vocabulary, 33)
  for written in (
    "negative, -2, surprise, anger",
    "positive, 2, surprise, joy",
    "neutral, 0, surprise, neutral",
  ):
    assert accepted(automaton, [*vocabulary.encode(written), EOS])
  # Numbers, MELD's classes, IEMOCAP's: of each polarity.
  assert count_paths(automaton) == 300 * 5 * 3 + 1 * 2 * 1 + 300 * 2 * 2


def test_ten_schemes_are_no_more_work_than_their_neighbours(shared_data):
  """10^11 texts: parts that no piece crosses are compiled one by one."""
  vocabulary = Tokenizer(tokenizer.find(str(shared_data / "t5_vocab")))
  schemes = tuple(
    EmotionScheme(f"scheme_{n}", _MELD.polarity) for n in range(10)
  )
  text = LabelText(LabelSchema(intensity=True, schemes=schemes))
  automaton = grammar.compile_grammar(text, vocabulary, 33)
  assert count_paths(automaton) == 3 * 601 * 7**10


def test_distances_are_the_fewest_tokens_to_the_end(vocabulary):
  text = LabelText(_SCHEMA)
  automaton = grammar.compile_grammar(text, vocabulary, 200)
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
  vocabulary = Tokenizer(tokenizer.find(str(shared_data / "t5_vocab")))
  automaton = grammar.compile_grammar(LabelText(_SCHEMA), vocabulary, 33)
  # docs/decoding.md says so.
  assert automaton.next_states.shape == (31, 161)


class Letters:
  """A vocabulary of single letters, without SentencePiece."""

  def __init__(self, letters: str):
    self._pieces = [None, None, None, *letters]

  def surfaces(self):
    return [piece and piece.encode() for piece in self._pieces]

  def encode(self, text):
    return [
      self._pieces.index(letter) if letter in self._pieces else 2
      for letter in text
    ]


def test_classes_that_the_vocabulary_lacks_are_named():
  letters = Letters("abcdefghijklmnoprstuv, -.0123456789")
  with pytest.raises(InputError, match="cannot write 'joy', 'excited'; it"):
    grammar.compile_grammar(LabelText(_SCHEMA), letters, 100)


def test_without_a_comma_nothing_can_be_written():
  letters = Letters("abcdefghijklmnopqrstuvwxyz -.0123456789")
  with pytest.raises(InputError, match="cannot write ', '"):
    grammar.compile_grammar(LabelText(_SCHEMA), letters, 100)


def test_numbers_that_the_vocabulary_lacks_are_left_out():
  letters = Letters("abcdefghijklmnopqrstuvwxyz, .0123")
  text = LabelText(_SCHEMA, decimals=1)
  automaton = grammar.compile_grammar(text, letters, 100)
  # 0, 1, 2, 3, and 0.1 to 2.3 without 4 to 9.
  assert count_paths(automaton) == 3 * (4 + 3 * 3) * 7 * 6
  # Without a minus "negative" can still be written, with what numbers exist.
  tied = LabelText(_TIED, decimals=1, consistent=True)
  automaton = grammar.compile_grammar(tied, letters, 100)
  assert count_paths(automaton) == 13 * 5 * 3 + 1 * 2 * 1 + 12 * 2 * 2
  words = Letters("abcdefghijklmnopqrstuvwxyz, ")
  with pytest.raises(InputError, match="any intensity"):
    grammar.compile_grammar(text, words, 100)


def test_too_many_texts_of_one_part_are_refused(shared_data):
  vocabulary = Letters("abcdefghijklmnopqrstuvwxyz,-.0123456789 ")
  # A piece across each separator.
  vocabulary._pieces += ["e,-", "e,0", "9,s", *(f"{c},j" for c in "yrt")]
  vocabulary._pieces += [f"{end},a" for end in "lehyrts0123456789"]
  schemes = tuple(EmotionScheme(f"s{n}", _MELD.polarity) for n in range(5))
  text = LabelText(LabelSchema(intensity=True, schemes=schemes), ",")
  with pytest.raises(InputError, match="separator with a space"):
    grammar.compile_grammar(text, vocabulary, 100)


def test_too_few_places_for_any_label_are_named(vocabulary):
  with pytest.raises(InputError, match="max_new_tokens: expected at least"):
    grammar.compile_grammar(LabelText(_SCHEMA), vocabulary, 4)


def test_the_space_as_a_byte_is_never_written(vocabulary):
  """SentencePiece would not drop it at the beginning of a text."""
  rng = np.random.default_rng(2)
  automaton = grammar.compile_grammar(LabelText(_SCHEMA), vocabulary, 200)
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
    if method == "output":
      return args[0], jax.random.normal(jax.random.key(0), (self.entries, 8))
    tokens, index, cache = args[:3]
    key = jax.random.fold_in(variables["params"], index)
    # As wide as the logits of a sure model: 5 times the normal ones.
    scale = 5 / np.sqrt(8)
    return scale * jax.random.normal(key, (len(tokens), 8)), cache


@pytest.mark.parametrize(
  "outputs", [10, pytest.param(2_000, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("beams", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("text", "length"), _LABELS[:5])
def test_the_compiled_loop_writes_no_malformed_text(
  shared_data, text, length, beams, outputs
):
  vocabulary = Tokenizer(tokenizer.find(str(shared_data / "t5_vocab")))
  automaton = grammar.compile_grammar(text, vocabulary, length)
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
  # Such wishes are far from uniform, and some labels have few texts: 10,000
  # outputs were 5,311 of the 75,726 default ones, 1,935 of 7,686 others.
  assert len(written) > outputs / 10
