"""The loss of heads that learn what the corpora annotate.

L1 of the intensity + cross-entropy of each emotion slot, each a mean over the
annotated rows of the whole batch. The systems in UniMSE's place learn nothing
else, but for what they add themselves; UniMSE learns to write labels besides.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from unimse_jax.data import annotations
from unimse_jax.labels import INTENSITY
from unimse_jax.rivals import RivalOutput

Batch = dict[str, jax.Array]
_ROWS = "rows"


def weights(slots: Sequence[str], batch: Batch) -> dict[str, jax.Array]:
  """What each of `losses` is divided by, over the whole batch.

  Args:
    slots: targets of the heads, "intensity" or an emotion slot.
    batch: arrays, those of `data.annotations` among them.
  """
  # A batch without any divides zero by one.
  return {
    _task(slot): jnp.maximum(_weights(slot, batch).sum(), 1.0) for slot in slots
  }


def losses(
  scores: dict[str, jax.Array], batch: Batch, divisors: dict[str, jax.Array]
) -> dict[str, jax.Array]:
  """Loss of each slot that has scores, already divided, as "task_<slot>"."""
  return {
    _task(slot): _summed(slot, values, batch) / divisors[_task(slot)]
    for slot, values in scores.items()
  }


def _task(slot: str) -> str:
  """No slot may pass for another part of the loss: a scheme named "audio"."""
  return f"task_{slot}"


@dataclasses.dataclass(frozen=True)
class Annotated:
  """The objective of `Rival`: `losses`, and what the system adds.

  Attributes:
    slots: targets that the heads are for, "intensity" or an emotion slot.
  """

  slots: tuple[str, ...]

  def divisors(self, batch: Batch) -> dict[str, jax.Array]:
    """Those of `weights`, and the number of rows."""
    rows = jnp.maximum(_rows(batch), 1.0)
    return {**weights(self.slots, batch), _ROWS: rows}

  def total(
    self, output: RivalOutput, batch: Batch, divisors: dict[str, jax.Array]
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss, and the parts that it was made of, each already divided."""
    parts = losses(output.scores, batch, divisors)
    # A part of the batch counts by its rows.
    share = _rows(batch) / divisors[_ROWS]
    parts |= {
      f"own_{name}": share * value for name, value in output.auxiliary.items()
    }
    loss = sum(parts.values(), jnp.zeros(()))
    return loss, {"loss": loss, **parts}


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
