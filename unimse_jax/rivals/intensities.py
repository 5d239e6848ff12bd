"""The annotated intensities of a batch, for systems that learn of them."""

import jax
import jax.numpy as jnp

from unimse_jax.labels import INTENSITY
from unimse_jax.rivals.streams import TEXT, Stream


def annotated_intensity(
  streams: dict[str, Stream], batch: dict[str, jax.Array]
) -> tuple[jax.Array, jax.Array]:
  """The values, and which rows have one; none where no corpus annotates it.

  Args:
    streams: of B utterances.
    batch: arrays with `intensity` and `intensity_weight`, or without both.

  Returns:
    float32[B] in points of the score, bool[B].
  """
  if INTENSITY not in batch:
    rows = len(streams[TEXT].mask)
    return jnp.zeros(rows), jnp.zeros(rows, bool)
  return batch[INTENSITY], batch[f"{INTENSITY}_weight"] > 0
