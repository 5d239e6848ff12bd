"""The grammar of label texts as an automaton over a vocabulary's tokens.

First an automaton over the bytes of the legal label texts: every field a class
word or a number as `LabelText` writes it, never the word for a missing field.
Then the same over tokens: a token is legal in a state if its bytes lead from
there to another state. Any way to cut a legal text into pieces is legal, so
the grammar holds for every SentencePiece vocabulary that has the characters.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from flax import struct

from unimse_jax.data.tokenizer import EOS
from unimse_jax.errors import InputError
from unimse_jax.labels import LabelText

_ILLEGAL = -1
_FAR = np.iinfo(np.int32).max // 2  # more tokens than any text has
# A node of the automaton over bytes: what follows it.
_Edges = list[dict[int, int]]


@struct.dataclass
class TokenAutomaton:
  """What may be written next, for every state.

  Attributes:
    tokens: int32[C], the ids that are legal anywhere, </s> among them.
    next_states: int32[S, C], -1 where the token is illegal. State 0 is the
      start, the last state the end: nothing follows it.
    distance: int32[S], fewest tokens from each state to the end, </s> included.
  """

  tokens: np.ndarray
  next_states: np.ndarray
  distance: np.ndarray


def free(vocab_size: int) -> TokenAutomaton:
  """Anything may follow anything; </s> ends."""
  next_states = np.zeros((2, vocab_size), np.int32)
  next_states[0, EOS] = 1
  next_states[1] = _ILLEGAL
  # No distance: a text that does not end in time is the model's own affair.
  tokens = np.arange(vocab_size, dtype=np.int32)
  return TokenAutomaton(tokens, next_states, np.zeros(2, np.int32))


def compile_grammar(
  label_text: LabelText, surfaces: Sequence[bytes | None], length: int
) -> TokenAutomaton:
  """The automaton of all legal label texts.

  Args:
    label_text: the slots, their classes and how they are written.
    surfaces: what each token writes; None: nothing that belongs in a text.
    length: most tokens of an output, </s> included.

  Raises:
    InputError: the vocabulary lacks a character of the grammar, or a label
      does not fit into `length`.
  """
  edges, accepting = _byte_automaton(label_text)
  legal = _legal_tokens(edges, surfaces)
  tokens = sorted({token for row in legal for token in row} | {EOS})
  column = {token: place for place, token in enumerate(tokens)}
  next_states = np.full((len(edges) + 1, len(tokens)), _ILLEGAL, np.int32)
  for state, row in enumerate(legal):
    for token, following in row.items():
      next_states[state, column[token]] = following
  next_states[sorted(accepting), column[EOS]] = len(edges)
  distance = _distances(next_states)
  _check(label_text, edges, surfaces, distance, length)
  return TokenAutomaton(np.array(tokens, np.int32), next_states, distance)


def _byte_automaton(label_text: LabelText) -> tuple[_Edges, set[int]]:
  """Edges of every node, node 0 being the start; and the nodes of whole texts.

  SentencePiece drops one space at the beginning of a text, so one may stand
  there.
  """
  edges: _Edges = [{}]
  accepting: set[int] = set()
  start = 0
  slots = label_text.slots
  for slot in slots:
    words = frozenset(word.encode() for word in label_text.words(slot))
    ends = _add_words(edges, start, words)
    if slot == slots[-1]:
      accepting |= ends
      break
    first, *rest = label_text.separator.encode()
    edges.append({})
    start = len(edges) - 1
    for end in ends:
      edges[end][first] = start
    for byte in rest:
      edges.append({})
      edges[start][byte] = start = len(edges) - 1
  # Nothing leads back to the start, so its copy after the space is the same.
  edges.append(dict(edges[0]))
  edges[0][ord(" ")] = len(edges) - 1
  return edges, accepting


def _add_words(edges: _Edges, start: int, words: frozenset[bytes]) -> set[int]:
  """Adds words behind a node; equal endings share nodes. Returns their ends."""
  known: dict[frozenset[bytes], int] = {}
  ends = set()

  def follow(node: int, endings: frozenset[bytes]) -> None:
    if b"" in endings:
      ends.add(node)
    rests = defaultdict(set)
    for ending in endings:
      if ending:
        rests[ending[0]].add(ending[1:])
    for byte, rest in sorted(rests.items()):
      rest = frozenset(rest)
      if rest not in known:
        edges.append({})
        known[rest] = len(edges) - 1
        follow(known[rest], rest)
      edges[node][byte] = known[rest]

  follow(start, words)
  return ends


def _legal_tokens(
  edges: _Edges, surfaces: Sequence[bytes | None]
) -> list[dict[int, int]]:
  """For every node: legal token -> node after it."""
  # Pieces that share a beginning are walked together, and most pieces are
  # left at their first byte.
  tree: dict = {}
  for token, surface in enumerate(surfaces):
    if surface:
      branch = tree
      for byte in surface:
        branch = branch.setdefault(byte, {})
      branch.setdefault(None, []).append(token)

  def walk(node: int, branch: dict) -> Iterator[tuple[int, int]]:
    for token in branch.get(None, ()):
      yield token, node
    for byte, following in edges[node].items():
      if byte in branch:
        yield from walk(following, branch[byte])

  return [dict(walk(node, tree)) for node in range(len(edges))]


def _distances(next_states: np.ndarray) -> np.ndarray:
  """Fewest tokens to the last state; _FAR where none leads there."""
  distance = np.full(len(next_states), _FAR, np.int32)
  distance[-1] = 0
  while True:
    # An illegal token (-1) reads the end's distance: masked right after.
    through = np.where(next_states == _ILLEGAL, _FAR, distance[next_states] + 1)
    shorter = np.minimum(distance, through.min(axis=1))
    if (shorter == distance).all():
      return distance
    distance = shorter


def _check(
  label_text: LabelText,
  edges: _Edges,
  surfaces: Sequence[bytes | None],
  distance: np.ndarray,
  length: int,
) -> None:
  """Raises InputError where some label, or every label, cannot be written."""
  # A state from which the end cannot be reached, though a text goes through.
  if distance[0] >= _FAR:
    single = {byte for surface in surfaces if surface for byte in surface}
    missing = {byte for row in edges for byte in row} - single
    raise InputError(
      "decoding.constrained: the vocabulary cannot write any label of the form "
      f"{label_text.separator.join(label_text.slots)!r}; no piece has "
      f"the characters {bytes(sorted(missing)).decode(errors='replace')!r}. "
      "Use another config.tokenizer, or config.decoding.constrained=False."
    )
  if distance[0] > length:
    raise InputError(
      "config.decoding.max_new_tokens: expected at least "
      f"{distance[0] - 1}, which the shortest label needs with this "
      f"vocabulary, found {length - 1}."
    )
