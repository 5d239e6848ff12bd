"""Several short texts in one row of the encoder, so that little is padded.

As in T5's own code (Raffel et al. 2020, section 3.1.2, "packing"): a text sees
none of its neighbours, and its relative positions are its own. `data.packing`
decides which text goes where.

The encoder works on rows; whatever asks which text a token is of (the pooled
anchor of the contrastive loss, the decoder) reads texts. A `Layout` leads from
the one to the other.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from unimse_jax.models import masks


def _gather(x: jax.Array, places: jax.Array) -> jax.Array:
  """[G, N, ...], int32[G, M] -> [G, M, ...]; zeros where a place is N."""
  return jax.vmap(
    lambda values, own: values.at[own].get(mode="fill", fill_value=0)
  )(x, places)


@jax.custom_vjp
def _move(x: jax.Array, there: jax.Array, back: jax.Array) -> jax.Array:
  """`_gather` of x [G, N, ...] from the places `there`, int32[G, M].

  `back`, int32[G, N], undoes it: the gradient is a gather too, where jax's own
  would be a scatter.
  """
  del back
  return _gather(x, there)


def _move_forward(x, there, back):
  return _move(x, there, back), (there, back)


def _move_backward(saved, gradient):
  there, back = saved

  def nothing(places):
    return np.zeros(places.shape, jax.dtypes.float0)

  return _move(gradient, back, there), nothing(there), nothing(back)


_move.defvjp(_move_forward, _move_backward)


class TextARow:
  """The layout of a batch that is not packed: every text is a row."""

  def pack(self, x: jax.Array) -> jax.Array:
    return x

  def unpack(self, x: jax.Array) -> jax.Array:
    return x

  def length(self, x: jax.Array) -> int:
    """S, the places of a text of x."""
    return x.shape[1]

  def sample(self, x: jax.Array, stride: int) -> jax.Array:
    """Every stride-th token of each text, without gradient."""
    return jax.lax.stop_gradient(x[:, ::stride])

  def bias(self, mask: jax.Array) -> jax.Array:
    """bool[B, S] -> float32[B, 1, 1, S], see `masks.padding_bias`."""
    return masks.padding_bias(mask)


@struct.dataclass
class Packed:
  """Where the tokens of B texts stand in P rows.

  Texts and rows are in G groups, of b texts and p rows each, so that no device
  needs another one's texts.

  Attributes:
    places: int32[G, p, R], the token, of b * S in the group, in each place of
      each row; b * S where there is none.
    slots: int32[G, b, S], the place, of p * R in the group, of each token;
      p * R where there is none.
  """

  places: jax.Array
  slots: jax.Array

  def pack(self, x: jax.Array) -> jax.Array:
    """Texts [B, S, ...] -> rows [P, R, ...]; zeros where no token stands."""
    return _moved(x, self.places, self.slots)

  def unpack(self, x: jax.Array) -> jax.Array:
    """Rows [P, R, ...] -> texts [B, S, ...]; zeros at padding."""
    return _moved(x, self.slots, self.places)

  def length(self, x: jax.Array) -> int:
    """S, the places of a text; x [P, R, ...] has R."""
    del x
    return self.slots.shape[-1]

  def sample(self, x: jax.Array, stride: int) -> jax.Array:
    """Every stride-th token of each text of [P, R, ...], without gradient."""
    slots = self.slots[:, :, ::stride]
    grouped = jax.lax.stop_gradient(_grouped(x, len(slots)))
    tokens = _gather(grouped, slots.reshape(len(slots), -1))
    return tokens.reshape(-1, slots.shape[-1], *x.shape[2:])

  def bias(self, mask: jax.Array) -> jax.Array:
    """Shows each token the valid ones of its own text alone.

    Args:
      mask: bool[B, S], of the texts.

    Returns:
      float32[P, 1, R, R], 0 where a key may be seen.
    """
    text = self.places // self.slots.shape[-1]
    text = text.reshape(-1, self.places.shape[-1])
    seen = self.pack(mask)[:, None, :] & (text[:, :, None] == text[:, None, :])
    return jnp.where(seen, 0.0, masks.NEGATIVE).astype(jnp.float32)[:, None]


Layout = TextARow | Packed
UNPACKED = TextARow()


def _grouped(x: jax.Array, groups: int) -> jax.Array:
  """[P, R, ...] -> [G, p * R, ...]."""
  return x.reshape(groups, -1, *x.shape[2:])


def _moved(x: jax.Array, there: jax.Array, back: jax.Array) -> jax.Array:
  groups, rest = len(there), x.shape[2:]
  moved = _move(
    _grouped(x, groups), there.reshape(groups, -1), back.reshape(groups, -1)
  )
  return moved.reshape(-1, there.shape[-1], *rest)


def of_batch(batch: dict[str, jax.Array]) -> Layout:
  """The layout that a batch brings with it; a text a row where it brings none.

  Args:
    batch: arrays, of a packed batch also those of `data.packing.arrays`.
  """
  if "packed_places" not in batch:
    return UNPACKED
  return Packed(batch["packed_places"], batch["unpacked_places"])
