"""The distribution over all intensities that may be written.

Hundreds of numbers share their beginnings and the fields before them. They
are packed into a few trees, every beginning standing once; the decoder reads a
tree as one sequence in which a token sees its own beginning alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from unimse_jax.data.tokenizer import PAD

_TEXTS = 64  # of a tree: what log P of all its tokens costs in memory


@struct.dataclass
class PackedTexts:
  """G trees of M texts each.

  Attributes:
    tokens: int32[G, N], decoder input; the root is the start token.
    positions: int32[G, N], the place of each token in its text.
    visible: bool[G, N, N], whether the first token may see the second.
    nodes: int32[G, M, D], the tokens behind which each text's tokens stand.
    targets: int32[G, M, D], the texts' tokens, padded.
  """

  tokens: np.ndarray
  positions: np.ndarray
  visible: np.ndarray
  nodes: np.ndarray
  targets: np.ndarray


def pack(texts: Sequence[Sequence[int]]) -> PackedTexts:
  """Packs texts, given as tokens, in their order."""
  trees = [
    _tree(texts[start : start + _TEXTS])
    for start in range(0, len(texts), _TEXTS)
  ]
  count, rows, depth = (
    max(size)
    for size in zip(
      *((len(tokens), *nodes.shape) for tokens, _, _, nodes, _ in trees),
      strict=True,
    )
  )

  def fill(part: int, sizes: tuple[int, ...]) -> np.ndarray:
    return np.array(
      [
        np.pad(
          tree[part],
          [
            (0, size - have)
            for size, have in zip(sizes, tree[part].shape, strict=True)
          ],
        )
        for tree in trees
      ]
    )

  # A padding token sees itself, so that its softmax has something to sum.
  visible = fill(2, (count, count)) | np.eye(count, dtype=bool)
  return PackedTexts(
    tokens=fill(0, (count,)),
    positions=fill(1, (count,)),
    visible=visible,
    nodes=fill(3, (rows, depth)),
    targets=fill(4, (rows, depth)),
  )


def _tree(texts: Sequence[Sequence[int]]) -> tuple[np.ndarray, ...]:
  """tokens, positions, visible, nodes and targets of one tree."""
  beginnings = {
    tuple(text[:place]): None for text in texts for place in range(len(text))
  }
  number = {beginning: node for node, beginning in enumerate(beginnings)}
  depth = max(map(len, texts))
  visible = np.zeros((len(number), len(number)), bool)
  for beginning, node in number.items():
    for place in range(len(beginning) + 1):
      visible[node, number[beginning[:place]]] = True
  nodes = np.zeros((len(texts), depth), np.int32)
  targets = np.full((len(texts), depth), PAD, np.int32)
  for row, text in enumerate(texts):
    targets[row, : len(text)] = text
    nodes[row, : len(text)] = [
      number[tuple(text[:place])] for place in range(len(text))
    ]
  tokens = [beginning[-1] if beginning else PAD for beginning in number]
  return (
    np.array(tokens, np.int32),
    np.array([len(beginning) for beginning in number], np.int32),
    visible,
    nodes,
    targets,
  )


def log_probabilities(
  model: nn.Module,
  params: Any,
  encoded: jax.Array,
  encoder_mask: jax.Array,
  packed: PackedTexts,
) -> jax.Array:
  """log P of every packed text, for every row.

  Args:
    model: with a method `score_tokens(tokens, encoded, encoder_mask, tree)`.
    params: the model's parameters.
    encoded: [B, S, D].
    encoder_mask: bool[B, S].
    packed: the texts.

  Returns:
    float32[B, G * M]; an empty text has probability one.
  """
  rows = len(encoder_mask)

  def score(tree: PackedTexts) -> jax.Array:
    logits = model.apply(
      {"params": params},
      jnp.broadcast_to(tree.tokens, (rows, *tree.tokens.shape)),
      encoded,
      encoder_mask,
      (tree.positions, tree.visible),
      method="score_tokens",
    )
    log_p = logits[:, tree.nodes, tree.targets]
    log_p -= jax.nn.logsumexp(logits, axis=-1)[:, tree.nodes]
    return jnp.where(tree.targets == PAD, 0.0, log_p).sum(-1)

  # One tree after the other: the logits of all would not fit into memory.
  log_p = jax.lax.map(score, packed)
  return log_p.transpose(1, 0, 2).reshape(rows, -1)


def estimates(
  values: np.ndarray, probabilities: np.ndarray
) -> Mapping[str, float]:
  """What a distribution over numbers comes to.

  Args:
    values: float64[N], rising.
    probabilities: float64[N], of sum one.

  Returns:
    mean: which has the least expected squared error.
    median: the first value up to which at least half of the probability lies,
      which has the least expected absolute error.
  """
  # Half is half, whatever the rounding of the sum.
  at_least_half = np.cumsum(probabilities) >= 0.5 - 1e-9
  return {
    "mean": float(probabilities @ values),
    "median": float(values[at_least_half.argmax()]),
  }
