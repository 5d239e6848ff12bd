"""The grammar of label texts as an automaton over a vocabulary's tokens.

A legal text is written in one way only: as the vocabulary cuts it, which is
how it stands in training. Another cut of the same text would be tokens that
the model never learnt, and not those that `probabilities` scores.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from flax import struct

from unimse_jax.data.tokenizer import EOS
from unimse_jax.errors import InputError
from unimse_jax.labels import LabelText

_ILLEGAL = -1
_FAR = np.iinfo(np.int32).max // 2  # more tokens than any text has
_MOST_TEXTS = 300_000  # of one part: about 3 s and 200 MB
_Tokens = tuple[int, ...]


class Vocabulary(Protocol):
  """What the grammar asks of a vocabulary; `data.tokenizer` has T5's."""

  def encode(self, text: str) -> list[int]:
    """Piece ids, without </s>."""

  def surfaces(self) -> list[bytes | None]:
    """What each piece writes; None: nothing that belongs in a text."""


@struct.dataclass
class TokenAutomaton:
  """What may be written next, for every state.

  Attributes:
    tokens: int32[C], the ids that are legal anywhere, </s> among them; None
      where all are.
    next_states: int32[S, C], -1 where the token is illegal. State 0 is the
      start, the last state the end: nothing follows it.
    distance: int32[S], fewest tokens from each state to the end, </s> included.
  """

  tokens: np.ndarray | None
  next_states: np.ndarray
  distance: np.ndarray


def free(vocab_size: int) -> TokenAutomaton:
  """Anything may follow anything; </s> ends."""
  next_states = np.zeros((2, vocab_size), np.int32)
  next_states[0, EOS] = 1
  next_states[1] = _ILLEGAL
  # No distance: a text that does not end in time is the model's own affair.
  return TokenAutomaton(None, next_states, np.zeros(2, np.int32))


def compile_grammar(
  label_text: LabelText, vocabulary: Vocabulary, length: int
) -> TokenAutomaton:
  """The least automaton of all legal label texts, each cut as in training.

  Legal is every word of every slot in the slots' order, numbers as they are
  written; never the word for a missing field. Where the labels are consistent,
  only the words that agree with the polarity follow it. A number that the
  vocabulary cannot write is left out.

  Args:
    label_text: the slots, their classes and how they are written.
    vocabulary: cuts texts into tokens.
    length: most tokens of an output, </s> included.

  Raises:
    InputError: the vocabulary cannot write some class, or no number; no label
      fits into `length`; or there are too many texts.
  """
  surfaces = vocabulary.surfaces()
  chains = [
    _parts(words, label_text.separator, surfaces)
    for words in _chains(label_text, vocabulary, surfaces)
  ]
  rows = _least_automaton(
    [[*_token_sequences(parts, vocabulary)] for parts in chains]
  )
  tokens = sorted({token for row in rows for token, _ in row})
  column = {token: place for place, token in enumerate(tokens)}
  next_states = np.full((len(rows) + 1, len(tokens)), _ILLEGAL, np.int32)
  for state, row in enumerate(rows):
    for token, following in row:
      next_states[state, column[token]] = following
  distance = _distances(next_states)
  if distance[0] > length:
    raise InputError(
      "config.decoding.max_new_tokens: expected at least "
      f"{distance[0] - 1}, which the shortest label needs with this "
      f"vocabulary, found {length - 1}."
    )
  return TokenAutomaton(np.array(tokens, np.int32), next_states, distance)


def _chains(
  label_text: LabelText,
  vocabulary: Vocabulary,
  surfaces: Sequence[bytes | None],
) -> list[list[list[str]]]:
  """Sets of texts in each of which any word may follow any other.

  Each is a list of every slot's words: one for each polarity, where the other
  fields are tied to it, else one for all.

  Raises:
    InputError: the vocabulary cannot write some class, or no number.
  """
  words = _writable_words(label_text, vocabulary, surfaces)
  if not label_text.consistent:
    return [words]
  chains = []
  for polarity in words[0]:
    tied = [[polarity]]
    for slot, kept in zip(label_text.slots[1:], words[1:], strict=True):
      legal = set(label_text.words_after(polarity, slot))
      # Where the vocabulary has no number of its sign, any other will do: else
      # the polarity itself could never be written.
      tied.append([word for word in kept if word in legal] or kept)
    chains.append(tied)
  return chains


def _writable_words(
  label_text: LabelText,
  vocabulary: Vocabulary,
  surfaces: Sequence[bytes | None],
) -> list[list[str]]:
  """The words of every slot that come back as they were written."""

  def comes_back(word: str) -> bool:
    written = [surfaces[token] for token in vocabulary.encode(word)]
    if None in written:
      return False
    text = b"".join(written).decode(errors="replace").strip()
    return text.lower() == word.lower()  # as `parse` reads it

  writable, lacking = [], []
  for slot in label_text.slots:
    words = label_text.words(slot)
    kept = [word for word in words if comes_back(word)]
    if slot != "intensity":
      lacking += [word for word in words if word not in kept]
    elif not kept:
      lacking.append("any intensity")
    writable.append(kept)
  if not comes_back(label_text.separator.strip()):
    lacking.append(label_text.separator)
  if lacking:
    named = ", ".join(map(repr, dict.fromkeys(lacking)))
    raise InputError(
      f"decoding.constrained: the vocabulary cannot write {named}; it lacks "
      "some of the characters. "
      "Use another config.tokenizer, or config.decoding.constrained=False."
    )
  return writable


def _parts(
  words: Sequence[Sequence[str]],
  separator: str,
  surfaces: Sequence[bytes | None],
) -> list[list[str]]:
  """Cuts the texts into parts, at separators where a token always ends.

  A text is then one string of each part. A separator that some piece could
  reach across is no such place: the slots around it are one part, of all their
  pairs.
  """
  head = separator.rstrip()
  tail = separator[len(head) :]
  parts, texts = [], list(words[0])
  for following in words[1:]:
    left = [text + head for text in texts]
    right = [tail + word for word in following]
    closed = [text + head for text in right]
    if not _reaches_across(left, closed, surfaces):
      parts.append(left)
      texts = right
      continue
    if len(left) * len(right) > _MOST_TEXTS:
      raise InputError(
        f"decoding.constrained: expected at most {_MOST_TEXTS} label texts "
        f"that this vocabulary cuts across {separator!r}, found more. Write "
        "config.label.separator with a space, or "
        "config.decoding.constrained=False."
      )
    texts = [start + end for start, end in itertools.product(left, right)]
  return [*parts, texts]


def _reaches_across(
  left: Sequence[str], right: Sequence[str], surfaces: Sequence[bytes | None]
) -> bool:
  """Whether a piece may begin in a text of the left and end in the right."""
  before = {text.encode() for text in left}
  after = {text.encode() for text in right}
  edges = {(end[-1:], start[:1]) for end in before for start in after}
  seams = {end + start for end, start in edges}
  for surface in surfaces:
    if not surface or not any(seam in surface for seam in seams):
      continue
    for place in range(1, len(surface)):
      first, second = surface[:place], surface[place:]
      if any(
        text.endswith(first) or first.endswith(text) for text in before
      ) and any(
        text.startswith(second) or second.startswith(text) for text in after
      ):
        return True
  return False


def _token_sequences(
  parts: Sequence[Sequence[str]], vocabulary: Vocabulary
) -> Iterator[list[_Tokens]]:
  """The tokens of every part's strings, </s> behind those of the last.

  A vocabulary that chooses among equally good cuts may choose by what it has
  read before: a string counts with each cut behind the part before it.
  """
  for number, part in enumerate(parts):
    end = (EOS,) * (number == len(parts) - 1)
    starts = [""]
    if number:
      start = "".join(strings[0] for strings in parts[: number - 1])
      starts = [start + string for string in parts[number - 1]]
    tokens = set()
    for start in starts:
      # A vocabulary may see a space before a text, even before an empty one.
      read = len(vocabulary.encode(start)) if start else 0
      for string in part:
        tokens.add((*vocabulary.encode(start + string)[read:], *end))
    yield sorted(tokens)


def _least_automaton(
  chains: Sequence[Sequence[Sequence[_Tokens]]],
) -> list[tuple[tuple[int, int], ...]]:
  """Per state the legal tokens and the states behind them; 0 is the start.

  Built from the end: states with the same future are the same, whichever chain
  they are of. No sequence of a part begins another one, for each ends in what
  no word has, the separator or </s>; nor do first parts of different chains,
  for each begins with a polarity of its own.
  """
  known: dict[tuple[tuple[int, int], ...], int] = {}
  end = -1  # of a text; numbers are turned round below

  def state(sequences: Sequence[tuple[_Tokens, int]], depth: int) -> int:
    """The state at a depth of sequences, each with the state behind it."""
    tokens, behind = sequences[0]
    if len(tokens) == depth:
      return behind
    groups = itertools.groupby(sequences, key=lambda pair: pair[0][depth])
    row = tuple((token, state([*group], depth + 1)) for token, group in groups)
    return known.setdefault(row, len(known))

  first = []
  for parts in chains:
    behind = end
    for part in reversed(parts[1:]):
      behind = state([(tokens, behind) for tokens in part], 0)
    first += [(tokens, behind) for tokens in parts[0]]
  state(sorted(first), 0)
  last = len(known) - 1
  return [
    tuple((token, last - following) for token, following in row)
    for row in reversed(known)
  ]


def _distances(next_states: np.ndarray) -> np.ndarray:
  """Fewest tokens to the last state."""
  distance = np.full(len(next_states), _FAR, np.int32)
  distance[-1] = 0
  # What follows a state has a higher number.
  for state in reversed(range(len(next_states) - 1)):
    following = next_states[state]
    distance[state] = 1 + distance[following[following != _ILLEGAL]].min()
  return distance
