"""What decoding asks of a vocabulary's scores, without keeping all of them.

Scores are the products of decoded vectors [..., D] and of a table [V, D] with a
row for each piece (`T5.output`).
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class _Blocks:
  """The scores that exist at a time: of `pieces` rows of the table, and in all
  about `values`.
  """

  pieces: int
  values: int


# What stays in a CPU's cache takes half the time of what goes through memory.
# Elsewhere few large products are best, as long as there is memory for them.
_CPU = _Blocks(pieces=1024, values=2**19)
_OTHERS = _Blocks(pieces=2**20, values=2**26)

# (running values, rows of the table, the first one's number) -> running values.
_Reduce = Callable[[tuple, jax.Array, jax.Array | int], tuple]


def scores(decoded: jax.Array, table: jax.Array) -> jax.Array:
  """[..., D], [V, D] -> float32[..., V]."""
  return jnp.einsum(
    "...D,VD->...V", decoded, table, preferred_element_type=jnp.float32
  )


def token_scores(
  decoded: jax.Array, table: jax.Array, tokens: jax.Array
) -> jax.Array:
  """[B, N, D], [V, D], int32[N] or int32[B, N] -> float32[B, N]."""
  return jnp.einsum(
    "...D,...D->...",
    decoded,
    table[tokens],
    preferred_element_type=jnp.float32,
  )


def best(decoded: jax.Array, table: jax.Array) -> jax.Array:
  """[B, D], [V, D] -> int32[B], the piece of the highest score.

  Of equal ones the first.
  """
  return jax.lax.platform_dependent(
    decoded,
    table,
    cpu=functools.partial(_best, blocks=_CPU),
    default=functools.partial(_best, blocks=_OTHERS),
  )


def log_normalizer(decoded: jax.Array, table: jax.Array) -> jax.Array:
  """[B, N, D], [V, D] -> float32[B, N], log of the sum of exp of all scores."""
  return jax.lax.platform_dependent(
    decoded,
    table,
    cpu=functools.partial(_log_normalizer, blocks=_CPU),
    default=functools.partial(_log_normalizer, blocks=_OTHERS),
  )


def _best(decoded: jax.Array, table: jax.Array, blocks: _Blocks) -> jax.Array:
  def reduce(running: tuple, rows: jax.Array, first: jax.Array | int) -> tuple:
    highest, piece = running
    found = scores(decoded, rows)
    most = found.max(axis=-1)
    # Faster on a CPU than argmax, which is no loop over vectors there.
    numbers = jnp.arange(len(rows), dtype=jnp.int32)
    place = jnp.where(found == most[:, None], numbers, len(rows) - 1).min(-1)
    better = most > highest
    return (
      jnp.where(better, most, highest),
      jnp.where(better, first + place, piece),
    )

  lowest = jnp.full(len(decoded), -jnp.inf, jnp.float32)
  running = (lowest, jnp.zeros(len(decoded), jnp.int32))
  return _reduce_table(reduce, running, table, blocks.pieces)[1]


def _log_normalizer(
  decoded: jax.Array, table: jax.Array, blocks: _Blocks
) -> jax.Array:
  def of_places(decoded: jax.Array) -> jax.Array:
    def reduce(
      running: tuple, rows: jax.Array, first: jax.Array | int
    ) -> tuple:
      del first
      part = jax.nn.logsumexp(scores(decoded, rows), axis=-1)
      return (jnp.logaddexp(running[0], part),)

    nothing = jnp.full(decoded.shape[:-1], -jnp.inf, jnp.float32)
    return _reduce_table(reduce, (nothing,), table, blocks.pieces)[0]

  rows, places, _ = decoded.shape
  of_place = rows * min(blocks.pieces, len(table))
  together = max(1, min(places, blocks.values // of_place))
  # Parts of the places, not of the rows: devices share the rows out.
  sums = jax.lax.map(of_places, decoded.swapaxes(0, 1), batch_size=together)
  return sums.swapaxes(0, 1)


def _reduce_table(
  reduce: _Reduce, running: tuple, table: jax.Array, pieces: int
) -> tuple:
  """What a reduction over so many rows of the table at a time comes to."""
  pieces = min(pieces, len(table))
  count = len(table) // pieces
  whole = count * pieces
  blocks = table[:whole].reshape(count, pieces, -1)
  firsts = jnp.arange(count, dtype=jnp.int32) * pieces
  running, _ = jax.lax.scan(
    lambda running, block: (reduce(running, *block), None),
    running,
    (blocks, firsts),
  )
  if whole < len(table):
    running = reduce(running, table[whole:], whole)
  return running
