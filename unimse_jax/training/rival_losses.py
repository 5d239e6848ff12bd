"""The training loss of the systems in UniMSE's place.

L = L1 of the intensity + cross-entropy of each emotion slot + what the system
adds itself; each a mean over the annotated rows of the whole batch.
"""

import dataclasses

import jax
import jax.numpy as jnp
import optax

from unimse_jax.data import annotations
from unimse_jax.labels import INTENSITY
from unimse_jax.rivals import RivalOutput

Batch = dict[str, jax.Array]
_ROWS = "rows"


@dataclasses.dataclass(frozen=True)
class Annotated:
  """The objective of `Rival`.

  Attributes:
    slots: targets that the heads are for, "intensity" or an emotion slot.
  """

  slots: tuple[str, ...]

  def divisors(self, batch: Batch) -> dict[str, jax.Array]:
    """Sums of the weights of each slot, and the number of rows."""
    sums = {slot: _weights(slot, batch).sum() for slot in self.slots}
    sums[_ROWS] = _rows(batch)
    # A batch without any divides zero by one.
    return {name: jnp.maximum(value, 1.0) for name, value in sums.items()}

  def total(
    self, output: RivalOutput, batch: Batch, divisors: dict[str, jax.Array]
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss, and the parts that it was made of, each already divided."""
    parts = {
      slot: _summed(slot, output.scores[slot], batch) / divisors[slot]
      for slot in self.slots
    }
    # A part of the batch counts by its rows.
    share = _rows(batch) / divisors[_ROWS]
    own = {name: share * value for name, value in output.auxiliary.items()}
    loss = sum((parts | own).values(), jnp.zeros(()))
    return loss, {"loss": loss, **_named("task", parts), **_named("own", own)}


def _named(kind: str, parts: dict[str, jax.Array]) -> dict[str, jax.Array]:
  return {f"{kind}_{name}": value for name, value in parts.items()}


def _rows(batch: Batch) -> jax.Array:
  return batch["encoder_mask"].any(1).sum().astype(jnp.float32)


def _array(slot: str) -> str:
  if slot == INTENSITY:
    return slot
  return annotations.emotion(slot)


def _weights(slot: str, batch: Batch) -> jax.Array:
  return batch[annotations.weight(_array(slot))]


def _summed(slot: str, scores: jax.Array, batch: Batch) -> jax.Array:
  """Weighted sum over the rows of a slot's loss."""
  target = batch[_array(slot)]
  if slot == INTENSITY:
    losses = jnp.abs(scores[:, 0] - target)
  else:
    losses = optax.softmax_cross_entropy_with_integer_labels(scores, target)
  return (losses * _weights(slot, batch)).sum()
