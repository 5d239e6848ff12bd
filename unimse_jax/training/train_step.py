"""One optimizer step, jitted over the mesh."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax.sharding import Mesh

from unimse_jax.models.signal import COLLECTION
from unimse_jax.parallel import sharding
from unimse_jax.rivals import MEMORY
from unimse_jax.training import signal
from unimse_jax.training.losses import Objective
from unimse_jax.training.train_state import TrainState, move_average

Batch = dict[str, jax.Array]
Metrics = dict[str, jax.Array]


def train_step(
  state: TrainState,
  batch: Batch,
  key: jax.Array,
  *,
  model: nn.Module,
  optimizer: optax.GradientTransformation,
  objective: Objective,
  microbatches: int,
  average_decay: float,
  gather: Callable[[Any], Any],
  learns: Any,
) -> tuple[TrainState, Metrics]:
  """Forward, backward, update. Pure.

  Args:
    state: the state at step n.
    batch: arrays with B rows.
    key: the run's key; dropout draws from fold_in(key, n), so that a resumed
      run draws the same.
    model: UniMSE, or a system in its place.
    optimizer: built outside of jit.
    objective: the loss that is minimised.
    microbatches: parts that B is worked off in.
    average_decay: of `move_average`, where the state keeps an average.
    gather: parameters as the state has them -> as the model reads them, see
      `sharding.gather_parameters`.
    learns: tree of bools, False where no gradient is asked for; None: all do.

  Returns:
    The state at step n + 1 and float32 scalars (of the objective, `signal`).
  """
  key = jax.random.fold_in(key, state.step)
  divisors = objective.divisors(batch)

  def part_loss(params: Any, part: Batch, part_key: jax.Array):
    output, sown = model.apply(
      {"params": gather(_hold(params, learns)), MEMORY: state.memory},
      part,
      False,
      rngs={"dropout": part_key},
      mutable=[COLLECTION, MEMORY],
    )
    value, parts = objective.total(output, part, divisors)
    return value, (parts, signal.add_up(sown, part), sown.get(MEMORY, {}))

  gradient = jax.grad(part_loss, has_aux=True)
  if microbatches == 1:
    grads, (metrics, sums, memory) = gradient(state.params, batch, key)
  else:
    grads, (metrics, sums, memory) = _accumulate(
      functools.partial(gradient, state.params), batch, key, microbatches
    )
  updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
  metrics["gradient_norm"] = optax.tree.norm(grads)
  metrics |= signal.gradient_norms(grads) | signal.figures(sums)
  params = optax.apply_updates(state.params, updates)
  average = move_average(state.average, params, state.step, average_decay)
  state = TrainState(state.step + 1, params, opt_state, average, memory)
  return state, metrics


def _hold(params: Any, learns: Any) -> Any:
  """The parameters, those that do not learn as constants.

  Their gradients are then zeros that nobody computes.
  """
  if learns is None:
    return params
  return jax.tree.map(
    lambda leaf, keep: leaf if keep else jax.lax.stop_gradient(leaf),
    params,
    learns,
  )


def _accumulate(
  gradient: Callable, batch: Batch, key: jax.Array, count: int
) -> tuple[Any, Any]:
  """Sums gradients and metrics over the parts; they are already divided."""

  def split(array: jax.Array) -> jax.Array:
    # Row r goes to part r % count: every device keeps its share of each part.
    rows = array.reshape(-1, count, *array.shape[1:])
    return rows.swapaxes(0, 1)

  parts = jax.tree.map(split, batch)
  keys = jax.random.split(key, count)
  first = jax.tree.map(lambda array: array[0], parts)
  shapes = jax.eval_shape(gradient, first, keys[0])
  zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

  def body(total, inputs):
    return jax.tree.map(jnp.add, total, gradient(*inputs)), None

  return jax.lax.scan(body, zeros, (parts, keys))[0]


def make_train_step(
  state_sharding: TrainState,
  mesh: Mesh,
  *,
  model: nn.Module,
  optimizer: optax.GradientTransformation,
  objective: Objective,
  microbatches: int,
  average_decay: float = 0.0,
  learns: Any = None,
) -> Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Metrics]]:
  """`train_step` compiled for the mesh; the old state's memory is reused."""
  step = functools.partial(
    train_step,
    model=model,
    optimizer=optimizer,
    objective=objective,
    microbatches=microbatches,
    average_decay=average_decay,
    gather=functools.partial(
      sharding.gather_parameters,
      places=state_sharding.params,
      dtype=model.config.t5.compute_dtype,
    ),
    learns=learns,
  )
  everywhere = sharding.replicated(mesh)
  return jax.jit(
    step,
    in_shardings=(state_sharding, sharding.batch_sharding(mesh), everywhere),
    out_shardings=(state_sharding, everywhere),
    donate_argnums=0,
  )
