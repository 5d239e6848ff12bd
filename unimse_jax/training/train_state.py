"""What a run is at a step: data only."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct


@struct.dataclass
class TrainState:
  """Attributes:
  step: int32[], optimizer steps taken.
  params: nested dict of float32 arrays.
  opt_state: optimizer state (moments, counts).
  """

  step: jax.Array
  params: Any
  opt_state: Any


def create(params: Any, optimizer: optax.GradientTransformation) -> TrainState:
  """The state at step 0."""
  return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))
