"""Recurrent layers over the utterances of dialogues, in both directions."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.layers import Dropout

_CELLS = {"gru": nn.GRUCell, "lstm": nn.OptimizedLSTMCell}


class _Bidirectional(nn.Module):
  """One layer; half of the width reads on, half from the end."""

  width: int
  cell: str

  @nn.compact
  def __call__(self, x: jax.Array, sequences: jax.Array) -> jax.Array:
    """[N, U, D], int32[N, U] -> [N, U, width]; equal numbers are adjacent."""
    change = sequences[:, 1:] != sequences[:, :-1]
    starts = jnp.pad(change, ((0, 0), (1, 0)), constant_values=True)
    ends = jnp.pad(change, ((0, 0), (0, 1)), constant_values=True)
    half = self.width // 2
    return jnp.concatenate(
      [
        self._read(x, starts, half, "forward"),
        self._read(x, ends, self.width - half, "backward"),
      ],
      axis=-1,
    )

  def _read(
    self, x: jax.Array, first: jax.Array, width: int, name: str
  ) -> jax.Array:
    """[N, U, width]; the state is empty where a sequence begins."""
    cell = _CELLS[self.cell](width, name=name)

    def step(cell, state, inputs):
      x, first = inputs
      state = jax.tree.map(
        lambda each: jnp.where(first[:, None], 0.0, each), state
      )
      return cell(state, x)

    scan = nn.scan(
      step,
      variable_broadcast="params",
      split_rngs={"params": False},
      in_axes=1,
      out_axes=1,
      reverse=name == "backward",
    )
    empty = cell.initialize_carry(jax.random.key(0), x[:, 0].shape)  # zeros
    return scan(cell, empty, (x, first))[1]


class SequenceEncoder(nn.Module):
  """Bidirectional layers; many sequences may share a row.

  Attributes:
    width: length of a state, of the two directions together.
    layers: number of layers.
    dropout: share that a step drops between two layers.
    cell: gru or lstm.
  """

  width: int
  layers: int
  dropout: float
  cell: str

  @nn.compact
  def __call__(
    self, x: jax.Array, sequences: jax.Array, deterministic: bool
  ) -> jax.Array:
    """States of utterances that read their sequence alone.

    Args:
      x: float32[N, U, D].
      sequences: int32[N, U], number of the sequence that each belongs to:
        `Dialogues.mask` for the dialogue, `speaker_sequences` for what each
        speaker says.
      deterministic: False drops.

    Returns:
      float32[N, U, width].
    """
    order = jnp.argsort(sequences, axis=1, stable=True)
    sequences = jnp.take_along_axis(sequences, order, axis=1)
    x = jnp.take_along_axis(x, order[..., None], axis=1)
    for number in range(self.layers):
      x = Dropout(self.dropout if number else 0.0)(x, deterministic)
      x = _Bidirectional(self.width, self.cell, name=f"layer_{number}")(
        x, sequences
      )
    return jnp.take_along_axis(x, jnp.argsort(order, axis=1)[..., None], axis=1)
