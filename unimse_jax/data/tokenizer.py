"""The SentencePiece vocabulary of T5, or one trained on the spot.

sentencepiece is used itself: its own pieces are what T5 was trained on, and
other tokenizers differ on some sentences.
"""

import io
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from unimse_cli import storage
from unimse_jax.data import sentencepiece_file
from unimse_jax.data.sentencepiece_file import WORD_START
from unimse_jax.errors import InputError
from unimse_jax.files import check_is_no_pointer, read_json, write_atomically

PAD = 0  # also starts the decoder
EOS = 1
FILE_NAME = "spiece.model"
_JSON_NAME = "tokenizer.json"
_SETTINGS_NAME = "tokenizer_config.json"


class Tokenizer:
  """Text <-> piece ids."""

  def __init__(self, path: pathlib.Path):
    """Opens a vocabulary, in either of the forms of `read`.

    Raises:
      InputError: missing, unreadable, or without T5's pad = 0 and </s> = 1.
    """
    import sentencepiece

    self._processor = sentencepiece.SentencePieceProcessor()
    try:
      self._processor.load_from_serialized_proto(read(path))
      # A damaged file may open and have pieces that are no text.
      for token in range(self.size):
        self._processor.id_to_piece(token)
    except (RuntimeError, UnicodeDecodeError) as error:
      raise InputError(
        f"Tokenizer: expected a SentencePiece model in {path}, found a file "
        "that is none."
      ) from error
    ids = (self._processor.pad_id(), self._processor.eos_id())
    if ids != (PAD, EOS):
      raise InputError(
        f"Tokenizer: expected pad id 0 and </s> id 1 in {path}, found {ids}."
      )

  @property
  def size(self) -> int:
    """Number of pieces."""
    return self._processor.vocab_size()

  def surfaces(self) -> list[bytes | None]:
    """What each piece writes into a text, as UTF-8; None: nothing legal.

    A space stands where SentencePiece writes the mark of a word's start; at
    the beginning of a text `decode` drops one.
    """
    processor = self._processor

    def surface(token: int) -> bytes | None:
      # Control pieces write nothing, the unknown piece a question mark.
      kinds = (processor.is_control, processor.is_unknown, processor.is_unused)
      if any(is_kind(token) for is_kind in kinds):
        return None
      piece = processor.id_to_piece(token)
      if processor.is_byte(token):  # "<0x2C>"
        byte = bytes([int(piece[3:-1], 16)])
        # The byte of a space is not dropped at the beginning of a text, and
        # no text is encoded with it.
        return None if byte == b" " else byte
      return piece.replace(WORD_START, " ").encode()

    return [surface(token) for token in range(self.size)]

  def encode(self, text: str) -> list[int]:
    """Piece ids, without </s>."""
    return self._processor.encode(text)

  def encode_with_ends(self, text: str) -> tuple[list[int], list[int]]:
    """Piece ids, and where in the text each piece ends (UTF-8 bytes)."""
    pieces = self._processor.encode(text, return_type="proto").pieces
    return [piece.id for piece in pieces], [piece.end for piece in pieces]

  def decode(self, tokens: Sequence[int]) -> str:
    """The text up to the first </s>; ids beyond the pieces say nothing."""
    tokens = list(map(int, tokens))
    if EOS in tokens:
      tokens = tokens[: tokens.index(EOS)]
    return self._processor.decode(
      [token for token in tokens if PAD < token < self.size]
    )


def pieces(path: pathlib.Path) -> list[tuple[str, float]]:
  """Each piece of a SentencePiece file and its log probability."""
  import sentencepiece

  processor = sentencepiece.SentencePieceProcessor(str(path))
  return [
    (processor.id_to_piece(number), processor.get_score(number))
    for number in range(processor.vocab_size())
  ]


def find(path: str) -> pathlib.Path:
  """The vocabulary of a path: itself, or spiece.model or tokenizer.json within.

  Raises:
    InputError: neither is there.
  """
  given = storage.fetch(path)
  if not given.is_dir():
    candidates = [given]
  else:
    candidates = [given / FILE_NAME, given / _JSON_NAME]
  for file in candidates:
    if file.is_file():
      return file
  settings = given / _SETTINGS_NAME
  if settings.is_file() and _is_byt5(read_json(settings)):
    raise InputError(
      f"Tokenizer: {given} is a byT5, which reads bytes and has no vocabulary "
      "of pieces; expected the T5, T5 v1.1, flan-T5 or mT5 family."
    )
  raise InputError(
    f"Tokenizer: expected a SentencePiece model, found nothing at "
    f"{' or '.join(map(str, candidates))}; set config.tokenizer.path to a "
    "spiece.model, a tokenizer.json or a directory with one."
  )


def _is_byt5(settings: Any) -> bool:
  kind = isinstance(settings, dict) and settings.get("tokenizer_class")
  return kind == "ByT5Tokenizer"


def read(file: pathlib.Path) -> bytes:
  """Content of a SentencePiece file, made of a tokenizer.json where it is one.

  Raises:
    InputError: missing, a Git LFS pointer, or a tokenizer.json of no T5.
  """
  if file.suffix == ".json":
    return sentencepiece_file.from_tokenizer_json(file)
  check_is_no_pointer(file)
  try:
    return file.read_bytes()
  except OSError as error:
    raise InputError(
      f"Tokenizer: expected a SentencePiece model in {file}, found no such "
      f"file ({error.strerror})."
    ) from error


def train(
  texts: Iterable[str],
  words: Iterable[str],
  vocab_size: int,
  path: pathlib.Path,
) -> None:
  """Trains a unigram vocabulary and writes it to `path`.

  Deterministic: one thread, all sentences, in the given order. `words` become
  one piece each, as the emotion words are in T5's own vocabulary. Small
  corpora may end with fewer pieces than asked for.

  Raises:
    InputError: vocab_size does not even hold the letters of the texts.
  """
  import sentencepiece

  words = list(words)
  model = io.BytesIO()
  try:
    sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=iter(texts),
      model_writer=model,
      model_type="unigram",
      vocab_size=vocab_size,
      hard_vocab_limit=False,
      character_coverage=1.0,
      pad_id=PAD,
      eos_id=EOS,
      unk_id=2,
      bos_id=-1,
      user_defined_symbols=[f"{WORD_START}{word}" for word in words],
      # Behind a comma without a space a word is spelt: its letters may stand
      # in no other word of the texts.
      required_chars="".join(sorted(set("".join(words)) - {" "})),
      num_threads=1,
      minloglevel=2,
    )
  except RuntimeError as error:
    raise InputError(
      f"config.tokenizer.vocab_size: expected more than {vocab_size} pieces; "
      f"SentencePiece cannot train so few on these texts: {error}"
    ) from error
  write_atomically(path, model.getvalue())
