"""The real vocabulary, trained ones, and files that are none."""

import pytest

from unimse_jax.data import tokenizer
from unimse_jax.data.tokenizer import Tokenizer
from unimse_jax.errors import InputError

_TEXTS = ["the film was great", "an awful, awful film", "positive, 1.6, joy"]

_WORDS = ("positive", "joy", "great")


@pytest.fixture(scope="module")
def real(shared_data) -> Tokenizer:
  return Tokenizer(tokenizer.find(str(shared_data / "t5_vocab")))


def test_the_real_vocabulary_has_one_piece_an_emotion_word(real):
  assert real.size == 32000
  assert real.encode("positive, 1.6, joy") == [1465, 6, 3, 15062, 6, 3922]


@pytest.mark.parametrize(
  "text",
  ["positive, 1.6, joy", "negative, -1.33, sadness, frustrated", "Oh my!"],
)
def test_texts_come_back(real, text):
  assert real.decode(real.encode(text)) == text


def test_decoding_stops_at_the_end_and_skips_what_is_no_piece(real):
  tokens = real.encode("positive, 1.6")
  assert real.decode([*tokens, 1, *tokens]) == "positive, 1.6"
  # Padding, and entries that the embedding has beyond the vocabulary.
  assert real.decode([0, *tokens, 32100, 0]) == "positive, 1.6"
  assert real.decode([]) == ""


def test_training_is_deterministic_byte_for_byte(tmp_path):
  paths = [tmp_path / name for name in ("a.model", "b.model")]
  for path in paths:
    tokenizer.train(_TEXTS * 20, _WORDS, 64, path)
  assert paths[0].read_bytes() == paths[1].read_bytes()
  assert sorted(tmp_path.iterdir()) == paths  # no scratch file left


def test_a_trained_vocabulary_has_t5s_special_ids(tmp_path):
  path = tmp_path / "spiece.model"
  tokenizer.train(_TEXTS * 20, _WORDS, 64, path)
  trained = Tokenizer(path)
  assert 20 < trained.size <= 64
  for text in _TEXTS:
    tokens = trained.encode(text)
    assert trained.decode(tokens) == text
    assert min(tokens) > 2  # no pad, end or unknown


def test_label_words_become_one_piece_each_even_if_rare(tmp_path):
  path = tmp_path / "spiece.model"
  tokenizer.train(_TEXTS * 20, (*_WORDS, "frustrated"), 64, path)
  trained = Tokenizer(path)
  comma = trained.encode("joy,")[1:]
  for word in (*_WORDS, "frustrated"):
    assert len(trained.encode(word)) == 1
    # Also in the middle of a label, where a comma follows.
    assert trained.encode(f"{word}, joy")[1 : 1 + len(comma)] == comma
    assert trained.decode(trained.encode(f"{word}, joy")) == f"{word}, joy"


def test_a_vocabulary_too_small_for_the_letters_is_the_users_mistake(tmp_path):
  path = tmp_path / "spiece.model"
  letters = "".join(chr(0x4E00 + number) for number in range(200))
  with pytest.raises(InputError, match="tokenizer.vocab_size"):
    tokenizer.train([letters], (), 64, path)
  assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(InputError, match="no such file"):
    Tokenizer(tmp_path / "absent.model")
  with pytest.raises(InputError, match="config.tokenizer.path"):
    tokenizer.find(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 100])
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, content):
  path = tmp_path / "spiece.model"
  path.write_bytes(content)
  with pytest.raises(InputError, match="SentencePiece model"):
    Tokenizer(path)


def test_a_piece_that_is_no_text_is_damage(tmp_path):
  path = tmp_path / "spiece.model"
  tokenizer.train(_TEXTS * 20, _WORDS, 64, path)
  content = path.read_bytes()
  mark = "\u2581joy".encode()
  assert mark in content
  path.write_bytes(content.replace(mark, b"\xe2\x28" + mark[2:], 1))
  with pytest.raises(InputError, match="found a file that is none"):
    Tokenizer(path)


def test_a_vocabulary_of_another_model_is_refused(tmp_path):
  """Most SentencePiece files have <unk> = 0, <s> = 1 and no pad."""
  import sentencepiece

  path = tmp_path / "llama.model"
  with path.open("wb") as file:
    sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=iter(_TEXTS * 20),
      model_writer=file,
      vocab_size=40,
      hard_vocab_limit=False,
      minloglevel=2,
    )
  with pytest.raises(InputError, match="pad id 0 and </s> id 1"):
    Tokenizer(path)


def test_find_takes_the_file_or_its_directory(tmp_path):
  path = tmp_path / "spiece.model"
  path.write_bytes(b"")
  assert tokenizer.find(str(tmp_path)) == tokenizer.find(str(path)) == path


@pytest.mark.parametrize("name", ["spiece.model", "tokenizer.json"])
def test_a_pointer_of_git_lfs_is_named(tmp_path, name):
  path = tmp_path / name
  path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
  with pytest.raises(InputError, match="is a Git LFS pointer"):
    Tokenizer(tokenizer.find(str(tmp_path)))


def test_byt5_is_refused_by_name(tmp_path):
  settings = tmp_path / "tokenizer_config.json"
  settings.write_text('{"tokenizer_class": "ByT5Tokenizer"}')
  with pytest.raises(InputError, match="a byT5, which reads bytes"):
    tokenizer.find(str(tmp_path))
  settings.write_text('["ByT5Tokenizer"]')
  with pytest.raises(InputError, match="found nothing at"):
    tokenizer.find(str(tmp_path))
