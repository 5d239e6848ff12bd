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
  average: moving average of the parameters; {} where none is kept.
  memory: what a model keeps from step to step without learning it by gradient
    (`rivals.MEMORY`); {} where it keeps nothing.
  """

  step: jax.Array
  params: Any
  opt_state: Any
  average: Any
  memory: Any = struct.field(default_factory=dict)

  @property
  def evaluated(self) -> Any:
    """The parameters that are evaluated: the average where there is one."""
    return self.average or self.params


def create(
  params: Any,
  optimizer: optax.GradientTransformation,
  averaged: bool = False,
  memory: Any = None,
) -> TrainState:
  """The state at step 0.

  Args:
    params: the parameters.
    optimizer: gradient transformation that will move them.
    averaged: whether a moving average of them is kept.
    memory: what the model keeps from step to step, at its start.
  """
  average = jax.tree.map(jnp.copy, params) if averaged else {}
  step = jnp.zeros((), jnp.int32)
  return TrainState(step, params, optimizer.init(params), average, memory or {})


def move_average(
  average: Any, params: Any, step: jax.Array, decay: float
) -> Any:
  """average + (1 - d) (params - average), d = min(decay, (1 + n) / (10 + n)).

  The first steps count for more, or the random start would stay in it.

  Args:
    average: average before the step; {} stays {}.
    params: parameters after it.
    step: int32[], n, the number of steps before.
    decay: share of the average that a step leaves as it is, in the long run.
  """
  if not average:
    return average
  kept = jnp.minimum(decay, (1 + step) / (10 + step))
  return jax.tree.map(
    lambda old, new: old + (1 - kept) * (new - old), average, params
  )
