"""SentencePiece files as bytes: what is read from them, and how one is made.

A file is a message in protobuf's format, which is read and written here:
sentencepiece's own reader of it wants a newer protobuf than TensorFlow allows.
"""

import base64
import pathlib
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unimse_jax.errors import InputError
from unimse_jax.files import read_json

WORD_START = "\u2581"  # stands for a space in a piece
_SPECIAL = ("<pad>", "</s>", "<unk>")  # of T5, in the order of their ids
_UNKNOWN_ID = 2
_GREATEST = 3e38  # of a float32
_SENTINEL = re.compile(r"<extra_id_\d+>")
# Numbers of the message's fields and kinds of pieces, from
# sentencepiece_model.proto.
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 2, 3, 4, 6
_UNIGRAM = 1
_BYTES = frozenset(f"<0x{number:02X}>" for number in range(256))
# What reading raises where a part of a file is of another type than it should.
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError)
_MALFORMED += (ArithmeticError, RecursionError)


class _Fault(Exception):
  """What SentencePiece has not, in words that go on after "found"."""


def normalization(vocabulary: bytes) -> bytes:
  """The compiled character map within a SentencePiece file."""
  return _field(_field(vocabulary, _NORMALIZER), 2)


def from_tokenizer_json(path: pathlib.Path) -> bytes:
  """A SentencePiece file with the pieces of a T5's tokenizer.json.

  transformers 5 saves nothing else. The pieces, their log probabilities and
  the character map are in it as SentencePiece had them, and the rest is the
  same for every T5. What it does not say is to be seen from the pieces: bytes
  have their names, and of all others a log probability of 0 is what
  SentencePiece gives to pieces that its user defined.

  Raises:
    InputError: it is damaged, or cuts texts in a way that SentencePiece has
      not.
  """
  values = read_json(path)
  try:
    pieces = _pieces(values)
    charsmap = _charsmap(values)
    _check_cuts(values)
    _check_added(values, [piece for piece, _ in pieces])
    return _message(pieces, charsmap)
  except _Fault as fault:
    found = str(fault)
  except _MALFORMED:
    found = "parts of another form than any tokenizer's"
  raise InputError(
    f"Tokenizer: expected the Unigram vocabulary of a T5 in {path}, found "
    f"{found}. Put the spiece.model of the T5 beside it."
  )


def _pieces(values: Mapping[str, Any]) -> list[tuple[str, float]]:
  """Pieces and log probabilities, without the sentinels at their end."""
  model = values["model"]
  if model.get("type", "Unigram") != "Unigram":
    raise _Fault(f"a model of the type {model['type']}")
  pieces = [(piece, float(score)) for piece, score in model["vocab"]]
  while pieces and _SENTINEL.fullmatch(pieces[-1][0]):
    del pieces[-1]
  names = [piece for piece, _ in pieces]
  if tuple(names[:3]) != _SPECIAL or model["unk_id"] != _UNKNOWN_ID:
    raise _Fault(
      f"{', '.join(names[:3]) or 'no piece'} at its beginning and the unknown "
      f"piece at {model['unk_id']}, not {', '.join(_SPECIAL)} and "
      f"{_UNKNOWN_ID}"
    )
  if len(set(names)) < len(names) or "" in names:
    raise _Fault("a piece twice, or an empty one")
  if not all(abs(score) < _GREATEST for _, score in pieces):
    raise _Fault("log probabilities that are not finite")
  return pieces


def _charsmap(values: Mapping[str, Any]) -> bytes:
  """The character map; empty where texts are read as they are."""
  charsmap = b""
  for step in _steps(values.get("normalizer"), "normalizers"):
    kind = step["type"]
    if kind == "Precompiled":
      charsmap = base64.b64decode(step["precompiled_charsmap"], validate=True)
    elif kind == "Replace" and step["pattern"] == {"Regex": " {2,}"}:
      continue  # SentencePiece joins spaces by itself
    elif kind != "Strip":
      raise _Fault(f"the normalizer {kind}")
  return charsmap


def _check_cuts(values: Mapping[str, Any]) -> None:
  """Checks that texts are cut at spaces, with one before the first word."""
  marks = []
  for step in _steps(values.get("pre_tokenizer"), "pretokenizers"):
    kind = step["type"]
    if kind == "Metaspace":
      marks.append(step)
    elif kind != "WhitespaceSplit":
      raise _Fault(f"the pre-tokenizer {kind}")
  if len(marks) != 1 or marks[0]["replacement"] != WORD_START:
    raise _Fault(f"no pre-tokenizer that writes {WORD_START} for a space")
  # The newer name and the older one of the same choice.
  scheme = marks[0].get("prepend_scheme", marks[0].get("add_prefix_space"))
  if scheme not in ("always", "first", True):
    raise _Fault("texts that do not begin with a space")


def _check_added(values: Mapping[str, Any], pieces: Sequence[str]) -> None:
  """Checks that no token was added to the vocabulary."""
  known = set(pieces)
  added = [token["content"] for token in values.get("added_tokens") or ()]
  more = [name for name in added if name not in known]
  more = [name for name in more if not _SENTINEL.fullmatch(name)]
  if more:
    raise _Fault(f"added tokens that SentencePiece has not: {more[:3]}")


def _steps(step: Any, inner: str) -> Iterator[Mapping[str, Any]]:
  """The steps of a normalizer or pre-tokenizer, those of sequences too."""
  if step is not None and step["type"] == "Sequence":
    for each in step[inner]:
      yield from _steps(each, inner)
  elif step is not None:
    yield step


def _message(pieces: Sequence[tuple[str, float]], charsmap: bytes) -> bytes:
  in_bytes = {piece for piece, _ in pieces} >= _BYTES

  def kind(number: int, piece: str, score: float) -> int:
    if number < len(_SPECIAL):
      return _UNKNOWN if number == _UNKNOWN_ID else _CONTROL
    if in_bytes and piece in _BYTES:
      return _BYTE
    return _USER_DEFINED if score == 0 else 1

  parts = [
    _bytes(
      _PIECES,
      _bytes(1, piece.encode())
      + _tag(2, 5)
      + struct.pack("<f", score)
      + _number(3, kind(number, piece, score)),
    )
    for number, (piece, score) in enumerate(pieces)
  ]
  trainer = _number(3, _UNIGRAM) + _number(4, len(pieces))
  trainer += _number(35, in_bytes)
  # The ids of <unk>, <s> (none), </s> and <pad>.
  for field, number in ((40, _UNKNOWN_ID), (41, -1), (42, 1), (43, 0)):
    trainer += _number(field, number)
  # A space before the first word, spaces joined, and written as WORD_START.
  rules = _bytes(2, charsmap) + b"".join(_number(rule, 1) for rule in (3, 4, 5))
  parts += [_bytes(_TRAINER, trainer), _bytes(_NORMALIZER, rules)]
  return b"".join(parts)


def _bytes(field: int, content: bytes) -> bytes:
  return _tag(field, 2) + _to_varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
  return _tag(field, 0) + _to_varint(value % 2**64)


def _tag(field: int, kind: int) -> bytes:
  return _to_varint(field << 3 | kind)


def _to_varint(value: int) -> bytes:
  """A number in groups of seven bits, the lowest first."""
  groups = []
  while value > 127:
    groups.append(value & 127 | 128)
    value >>= 7
  return bytes([*groups, value])


def _field(message: bytes, wanted: int) -> bytes:
  """A field of bytes of a message; empty where it has none."""
  place, content = 0, b""
  while place < len(message):
    tag, place = _varint(message, place)
    number, kind = tag >> 3, tag & 7
    if kind == 0:
      _, place = _varint(message, place)
      continue
    if kind == 2:
      length, place = _varint(message, place)
    else:
      length = {1: 8, 5: 4}[kind]
    if number == wanted:
      content = message[place : place + length]
    place += length
  return content


def _varint(message: bytes, place: int) -> tuple[int, int]:
  """A number in groups of seven bits, and the place after it."""
  value = shift = 0
  while True:
    byte = message[place]
    value |= (byte & 127) << shift
    place, shift = place + 1, shift + 7
    if byte < 128:
      return value, place
