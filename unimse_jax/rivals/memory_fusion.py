"""MFN: Memory Fusion Network (Zadeh et al., AAAI 2018); MFM reads with it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout


class TwoLayers(nn.Module):
  """ReLU, dropout and a linear map."""

  hidden: int
  width: int
  dropout: float

  @nn.compact
  def __call__(self, x: jax.Array, deterministic: bool) -> jax.Array:
    """[..., N] -> [..., width]."""
    hidden = nn.relu(Dense(self.hidden, name="hidden")(x))
    hidden = Dropout(self.dropout)(hidden, deterministic)
    return Dense(self.width, name="out")(hidden)


def over_words(
  advance: Callable[[nn.Module, Any, Any], Any],
  cell: nn.Module,
  state: Any,
  inputs: Any,
  mask: jax.Array,
) -> Any:
  """A recurrent cell's states after each word.

  Args:
    advance: (cell, state, input of a word) -> the state after it.
    cell: module whose parameters all words share.
    state: at the start, arrays [B, ...].
    inputs: arrays [B, S, ...]; None: the cell reads its own state alone.
    mask: bool[B, S]; the state stands still where False.

  Returns:
    The states, arrays [B, S, ...].
  """

  def step(cell, before, inputs):
    own, valid = inputs
    after = jax.tree.map(
      lambda new, old: jnp.where(valid[:, None], new, old),
      advance(cell, before, own),
      before,
    )
    return after, after

  scan = nn.scan(
    step,
    variable_broadcast="params",
    split_rngs={"params": False},
    in_axes=1,
    out_axes=1,
  )
  return scan(cell, state, (inputs, mask))[1]


def advance_lstm(cell: nn.Module, state: Any, x: jax.Array) -> Any:
  """The state (cell, output) of an LSTM after one word."""
  return cell(state, x)[0]


class _Memory(nn.Module):
  """The multi-view gated memory, one word:

  u' = g_1 o u + g_2 o proposal, with both gates made of the attended cells
  and u.
  """

  width: int
  dropout: float
  deterministic: bool

  @nn.compact
  def __call__(
    self, memory: jax.Array, inputs: tuple[jax.Array, jax.Array, jax.Array]
  ) -> tuple[jax.Array, None]:
    attended, proposal, valid = inputs
    both = jnp.concatenate([attended, memory], axis=-1)
    retain, update = (
      nn.sigmoid(
        TwoLayers(self.width, self.width, self.dropout, name=name)(
          both, self.deterministic
        )
      )
      for name in ("retain", "update")
    )
    new = retain * memory + update * proposal
    return jnp.where(valid[:, None], new, memory), None


class MemoryFusion(nn.Module):
  """An LSTM for each modality, and a memory of what their cells say together.

  Delta-memory attention weighs the cells of this word and of the word before;
  what it attends to changes the memory. All networks have one hidden layer of
  `width`.
  """

  width: int
  dropout: float

  @nn.compact
  def __call__(
    self, words: dict[str, jax.Array], mask: jax.Array, deterministic: bool
  ) -> jax.Array:
    """Reads aligned modalities.

    Args:
      words: name -> float32[B, S, N], N the modality's own.
      mask: bool[B, S], the words.
      deterministic: False drops.

    Returns:
      float32[B, (M + 1) width], for M modalities: the last output of each, and
      the memory after the last word.
    """
    empty = jnp.zeros((len(mask), self.width))
    before, after, last = [], [], []
    for name, x in words.items():
      cell = nn.OptimizedLSTMCell(self.width, name=name)
      cells, outputs = over_words(advance_lstm, cell, (empty, empty), x, mask)
      before.append(jnp.pad(cells, ((0, 0), (1, 0), (0, 0)))[:, :-1])
      after.append(cells)
      last.append(outputs[:, -1])
    cells = jnp.concatenate([*before, *after], axis=-1)
    network = TwoLayers(
      self.width, cells.shape[-1], self.dropout, name="attention"
    )
    attended = nn.softmax(network(cells, deterministic)) * cells
    network = TwoLayers(self.width, self.width, self.dropout, name="proposal")
    proposal = jnp.tanh(network(attended, deterministic))
    memory = nn.scan(
      _Memory,
      variable_broadcast="params",
      split_rngs={"params": False, "dropout": True},
      in_axes=1,
    )(self.width, self.dropout, deterministic, name="memory")
    return jnp.concatenate(
      [*last, memory(empty, (attended, proposal, mask))[0]], axis=-1
    )
