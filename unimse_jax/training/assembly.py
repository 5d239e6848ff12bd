"""The parts of a training step, put together from a config and a model.

The trainer, the benchmark and the compile check all build them here, so that
what is measured or checked is what trains. Needs no files and no orbax.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import optax
from flax import linen as nn
from jax.sharding import Mesh

from unimse_jax.config import Config
from unimse_jax.errors import InputError
from unimse_jax.parallel import sharding
from unimse_jax.rivals import Rival
from unimse_jax.training.annotated_losses import Annotated
from unimse_jax.training.losses import Objective, WrittenLabels
from unimse_jax.training.optimizer import make_optimizer, what_learns
from unimse_jax.training.train_state import TrainState, create
from unimse_jax.training.train_step import Batch, Metrics, make_train_step


@dataclasses.dataclass(frozen=True)
class Assembly:
  """Attributes:
  optimizer: gradient transformation that the config asks for.
  abstract_state: shapes, dtypes and places of the train state.
  sharding: the places alone.
  step: the jitted step (state, batch, key) -> (state, metrics).
  averaged: whether the state keeps a moving average of the parameters.
  memory: what the model keeps from step to step, at its start.
  """

  optimizer: optax.GradientTransformation
  abstract_state: TrainState
  sharding: TrainState
  step: Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Metrics]]
  averaged: bool
  memory: Any

  def create_state(self, params: Any) -> TrainState:
    """The state at step 0, placed on the mesh; reuses the parameters."""
    make = jax.jit(
      lambda params: create(params, self.optimizer, self.averaged, self.memory),
      out_shardings=self.sharding,
    )
    return make(params)


def check_batch_size(config: Config, mesh: Mesh) -> None:
  """Raises InputError where the devices cannot share out a batch evenly."""
  parts = sharding.batch_divisor(mesh) * config.train.microbatches
  if config.train.batch_size % parts:
    raise InputError(
      f"config.train.batch_size: expected a multiple of {parts} "
      f"({sharding.batch_divisor(mesh)} devices that share the batch x "
      f"{config.train.microbatches} microbatches), found "
      f"{config.train.batch_size}."
    )


def assemble(
  config: Config,
  model: nn.Module,
  abstract_params: Any,
  mesh: Mesh,
  total_steps: int,
  examples: int = 0,
) -> Assembly:
  """Optimizer, state shapes and jitted step.

  Args:
    config: the run's; its optimizer, loss and train sections are read.
    model: UniMSE, or a system in its place.
    abstract_params: shapes and dtypes of its parameters.
    mesh: devices that the step runs on.
    total_steps: length of the learning rate schedule.
    examples: utterances of the training split, of which some systems keep
      something.
  """
  optimizer = make_optimizer(config.optimizer, abstract_params, total_steps)
  averaged = config.train.average > 0
  memory = model.memory(examples) if isinstance(model, Rival) else {}
  shapes = jax.eval_shape(
    lambda params: create(params, optimizer, averaged, memory),
    abstract_params,
  )
  places = sharding.state_sharding(shapes, mesh)
  step = make_train_step(
    places,
    mesh,
    model=model,
    optimizer=optimizer,
    objective=_objective(config, model),
    microbatches=config.train.microbatches,
    average_decay=config.train.average,
    learns=what_learns(config.optimizer, abstract_params),
  )
  state = sharding.placed(shapes, places)
  return Assembly(optimizer, state, places, step, averaged, memory)


def _objective(config: Config, model: nn.Module) -> Objective:
  slots = tuple(slot for slot, _ in model.config.targets)
  if isinstance(model, Rival):
    return Annotated(slots)
  return WrittenLabels(config.loss, slots)
