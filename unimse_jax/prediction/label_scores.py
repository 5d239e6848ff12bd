"""Which texts are scored for the probabilities of a label, and what they say.

Two trees for an utterance (`decoding.text_tree`): one of all that a label may
begin with, up to its number, which is the same for all utterances; and one of
the emotions that may follow what the model wrote.
"""

import functools
import itertools
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from unimse_jax.data.tokenizer import EOS, Tokenizer
from unimse_jax.decoding import intensity, probabilities, text_tree
from unimse_jax.decoding.text_tree import TextTree
from unimse_jax.labels import LabelText, ParsedLabel
from unimse_jax.prediction.prediction import Probabilities

_STEP = 8  # of the trees' sizes, so that few shapes are compiled
_TREES = 10_000  # kept: a label that was written once is written again
_Fields = tuple[str | float | None, ...]


class Beginnings:
  """The polarities, and all numbers behind each that they may follow.

  The distribution over numbers sums over the polarities: a number that follows
  the polarity that happened to be written is wrong whenever that is.
  """

  def __init__(self, tokenizer: Tokenizer, text: LabelText):
    self._polarities = text.words("polarity")
    pairs = []
    if "intensity" in text.slots:
      pairs = [
        (polarity, word)
        for polarity in self._polarities
        # Rising, so that neighbours share their beginnings.
        for word in sorted(text.words_after(polarity, "intensity"), key=float)
      ]
    values = np.array([text.number(word) for _, word in pairs], np.float64)
    self._rising = np.argsort(values, kind="stable")
    self._values = values[self._rising]
    encode = functools.partial(_encode, tokenizer, text)
    self.trees = text_tree.pack(
      [encode({}, "polarity", polarity) for polarity in self._polarities]
      + [
        encode({"polarity": polarity}, "intensity", word)
        for polarity, word in pairs
      ]
    )

  @property
  def numbers(self) -> bool:
    """Whether labels have a number."""
    return bool(len(self._values))

  def probabilities(self, log_p: np.ndarray) -> dict[str, float]:
    """Of the polarities, for one row; float32[G * M], as they are packed."""
    shares = probabilities.normalized(log_p[: len(self._polarities)])
    return dict(zip(self._polarities, shares.tolist(), strict=True))

  def estimates(self, log_p: np.ndarray) -> Mapping[str, float]:
    """Estimates of one row's number."""
    numbers = log_p[len(self._polarities) :][self._rising]
    return intensity.estimates(self._values, probabilities.normalized(numbers))


class Emotions:
  """The classes of the emotion slots behind the fields that were written."""

  def __init__(self, tokenizer: Tokenizer, text: LabelText):
    self._tokenizer, self._text = tokenizer, text
    self.slots = [
      slot for slot in text.slots if slot not in ("polarity", "intensity")
    ]
    self._tree = functools.lru_cache(_TREES)(self._grow)
    self._longest = [
      self._tree(self._longest_fields(polarity))[0]
      for polarity in text.words("polarity")
    ]

  def trees(self, written: Sequence[ParsedLabel], size: int) -> TextTree:
    """The trees of some rows, [size, ...]; rows beyond theirs are any."""
    trees = [self._tree(self._fields(label))[0] for label in written]
    # With the longest labels among them, whatever was written has one shape.
    trees += [self._longest[0]] * (size - len(trees)) + self._longest
    stacked = text_tree.stack(trees, _STEP)
    return jax.tree.map(lambda leaf: leaf[:size], stacked)

  def probabilities(
    self, log_p: np.ndarray, written: ParsedLabel
  ) -> Probabilities:
    """Of one row; float32[M], as in its tree.

    A class that has no text has probability 0, a slot without any none.
    """
    by_slot: Probabilities = {}
    _, known = self._tree(self._fields(written))
    start = 0
    for slot in self.slots:
      words = self._text.words(slot)
      here = slice(start, start + len(words))
      start += len(words)
      if known[here].any():
        shares = probabilities.normalized(
          np.where(known[here], log_p[here], -np.inf)
        )
        by_slot[slot] = dict(zip(words, shares.tolist(), strict=True))
    return by_slot

  def _fields(self, label: ParsedLabel) -> _Fields:
    """The fields that another one may follow."""
    return tuple(label.fields[slot] for slot in self._text.slots[:-1])

  def _longest_fields(self, polarity: str) -> _Fields:
    """Fields of the most tokens that may be written behind a polarity."""
    fields: list[str | float | None] = [polarity]
    for slot in self._text.slots[1:-1]:
      word = max(
        self._text.words_after(polarity, slot),
        key=lambda word: len(self._tokenizer.encode(word)),
      )
      number = slot == "intensity"
      fields.append(self._text.number(word) if number else word)
    return tuple(fields)

  def _grow(self, values: _Fields) -> tuple[TextTree, np.ndarray]:
    """The tree behind some fields, and which classes have a text in it."""
    fields = dict(zip(self._text.slots, values, strict=False))
    texts: list[Sequence[int]] = []
    given: list[int] = []
    known: list[bool] = []
    for slot in self.slots:
      legal = set(self._text.words_after(fields["polarity"] or "", slot))
      encoded = [
        _encode(self._tokenizer, self._text, fields, slot, word)
        if word in legal
        else None
        for word in self._text.words(slot)
      ]
      known += [each is not None for each in encoded]
      candidates = [each for each in encoded if each is not None]
      # One class alone is sure, and what all share makes none more likely.
      shared = _shared(candidates)
      texts += [
        each if each and len(candidates) > 1 else () for each in encoded
      ]
      given += [shared] * len(encoded)
    return text_tree.grow(texts, given), np.array(known)


def _encode(
  tokenizer: Tokenizer,
  text: LabelText,
  fields: Mapping[str, str | float | None],
  slot: str,
  word: str,
) -> list[int] | None:
  """The tokens to score for one class of one slot, see `candidate`."""
  written = probabilities.candidate(fields, slot, word, text)
  if written is None:
    return None
  return tokenizer.encode(written) + [EOS] * (slot == text.slots[-1])


def _shared(texts: Sequence[Sequence[int]]) -> int:
  """The number of first tokens that all of the texts share."""
  columns = zip(*texts, strict=False)
  return len(
    [*itertools.takewhile(lambda column: len(set(column)) == 1, columns)]
  )
