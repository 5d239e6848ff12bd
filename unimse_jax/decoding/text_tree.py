"""log P of many texts that share beginnings, in one pass of the decoder.

Every beginning stands once in a tree, which the decoder reads as one sequence
in which a token sees its own beginning alone.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from unimse_jax.data.tokenizer import PAD
from unimse_jax.models import vocabulary

_Tokens = tuple[int, ...]
_TEXTS = 64  # of a tree that all rows share: what its arrays cost in memory


@struct.dataclass
class TextTree:
  """M texts over N beginnings; all arrays may have a leading axis of trees.

  Attributes:
    tokens: int32[N], the last token of each beginning: the decoder's input. The
      first is the empty beginning, the start token.
    places: int32[N], the length of each beginning.
    visible: bool[N, N], whether the second is a beginning of the first.
    scored: int32[S], the beginnings behind which scored tokens stand.
    arc_starts: int32[A], the place in `scored` of the beginning of each scored
      token.
    arc_tokens: int32[A], the scored tokens.
    arcs: int32[M, D], the scored tokens of each text, counted from 1; 0 where
      there is none.
  """

  tokens: np.ndarray
  places: np.ndarray
  visible: np.ndarray
  scored: np.ndarray
  arc_starts: np.ndarray
  arc_tokens: np.ndarray
  arcs: np.ndarray


def grow(texts: Sequence[Sequence[int]], given: Sequence[int] = ()) -> TextTree:
  """The tree of some texts.

  Args:
    texts: tokens of each text, in the order of their scores.
    given: for each text the number of its first tokens that are not scored:
      the text's log P is that of the others behind them; none by default.
  """
  given = given or [0] * len(texts)
  beginnings: dict[_Tokens, int] = {(): 0}
  scored: dict[int, int] = {}
  arcs: dict[tuple[int, int], int] = {}
  rows = []
  for text, known in zip(texts, given, strict=True):
    row = []
    for place, token in enumerate(text):
      node = beginnings.setdefault(tuple(text[:place]), len(beginnings))
      if place >= known:
        start = scored.setdefault(node, len(scored))
        row.append(arcs.setdefault((start, token), len(arcs) + 1))
    rows.append(row)
  depth = max(map(len, rows), default=0)
  return TextTree(
    tokens=_integers([text[-1] if text else PAD for text in beginnings]),
    places=_integers([len(text) for text in beginnings]),
    visible=_visible(beginnings),
    scored=_integers([*scored]),
    arc_starts=_integers([start for start, _ in arcs]),
    arc_tokens=_integers([token for _, token in arcs]),
    arcs=_integers([row + [0] * (depth - len(row)) for row in rows]).reshape(
      len(rows), depth
    ),
  )


def _integers(values: Sequence) -> np.ndarray:
  return np.array(values, np.int32)


def _visible(beginnings: dict[_Tokens, int]) -> np.ndarray:
  visible = np.eye(len(beginnings), dtype=bool)
  for beginning, node in beginnings.items():
    if beginning:
      # A text's beginnings are entered from the shortest to the longest.
      visible[node] |= visible[beginnings[beginning[:-1]]]
  return visible


def stack(trees: Sequence[TextTree], step: int = 1) -> TextTree:
  """The trees as one of [G, ...] arrays, each as large as the largest.

  Args:
    trees: G trees; texts that one lacks have no tokens in it.
    step: the sizes are rounded up to multiples of it, for few shapes to be
      compiled.
  """
  padded = {}
  for name in (field.name for field in dataclasses.fields(TextTree)):
    arrays = [getattr(tree, name) for tree in trees]
    sizes = -(-np.max([each.shape for each in arrays], axis=0) // step) * step
    padded[name] = np.zeros((len(trees), *sizes), arrays[0].dtype)
    for place, each in zip(padded[name], arrays, strict=True):
      place[tuple(map(slice, each.shape))] = each
  size = padded["tokens"].shape[1]
  # A token of padding sees itself, so that its softmax has something to sum.
  padded["visible"] |= np.eye(size, dtype=bool)
  return TextTree(**padded)


def pack(texts: Sequence[Sequence[int]]) -> TextTree:
  """A few trees of texts that all rows share, [G, ...], in their order."""
  parts = range(0, len(texts), _TEXTS)
  return stack([grow(texts[start : start + _TEXTS]) for start in parts])


def log_probabilities(
  model: nn.Module,
  params: Any,
  cross: Any,
  encoder_mask: jax.Array,
  tree: TextTree,
) -> jax.Array:
  """log P of every text of a tree, for every row.

  Args:
    model: with the methods `decode_tree` and `output`, see the package.
    params: the model's parameters.
    cross: what the decoder reads of the encoded rows, from `start_cache`.
    encoder_mask: bool[B, S].
    tree: one for all rows, or stacked trees, one for each row.

  Returns:
    float32[B, M]; a text of no scored tokens has probability one.
  """
  rows = len(encoder_mask)
  tokens = jnp.broadcast_to(tree.tokens, (rows, tree.tokens.shape[-1]))
  apply = functools.partial(model.apply, {"params": params})
  decoded = apply(
    tokens,
    cross,
    encoder_mask,
    (tree.places, tree.visible),
    method="decode_tree",
  )
  decoded, table = apply(decoded, method="output")
  decoded = _take(decoded, tree.scored)
  sums = vocabulary.log_normalizer(decoded, table)
  starts = _take(decoded, tree.arc_starts)
  log_p = vocabulary.token_scores(starts, table, tree.arc_tokens)
  log_p -= _take(sums, tree.arc_starts)
  log_p = jnp.pad(log_p, ((0, 0), (1, 0)))
  flat = tree.arcs.reshape(*tree.arcs.shape[:-2], -1)
  return _take(log_p, flat).reshape(rows, *tree.arcs.shape[-2:]).sum(-1)


def packed_log_probabilities(
  model: nn.Module,
  params: Any,
  cross: Any,
  encoder_mask: jax.Array,
  trees: TextTree,
) -> jax.Array:
  """The same of the texts of `pack`: float32[B, G * M]."""
  # One tree after the other: all at once would not fit into memory.
  log_p = jax.lax.map(
    lambda tree: log_probabilities(model, params, cross, encoder_mask, tree),
    trees,
  )
  return log_p.swapaxes(0, 1).reshape(len(encoder_mask), -1)


def _take(values: jax.Array, places: jax.Array) -> jax.Array:
  """[B, N, ...] at int32[K], or at int32[B, K] -> [B, K, ...]."""
  if places.ndim == 1:
    return values[:, places]
  index = jnp.expand_dims(places, tuple(range(2, values.ndim)))
  return jnp.take_along_axis(values, index, axis=1)
