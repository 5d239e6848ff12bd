"""Four learning rates, by parameter path (section 4.4; D27, D28)."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from unimse_jax.config import OptimizerConfig
from unimse_jax.errors import InputError
from unimse_jax.parallel import trees

# First match wins.
GROUPS = (
  (r"^t5/", "t5"),
  (r"^fusion", "pmf"),
  (r"^segment", "segment"),
  (r".*", "main"),
)


def make_schedule(
  rate: float, config: OptimizerConfig, total_steps: int
) -> optax.Schedule:
  """Learning rate by step: warm-up from zero, then constant or linear."""
  if config.schedule == "constant":
    after = optax.constant_schedule(rate)
  else:
    left = max(total_steps - config.warmup_steps, 1)
    after = optax.linear_schedule(rate, 0.0, left)
  if not config.warmup_steps:
    return after
  # Step 0 already learns: the first of n warm-up steps has rate / n.
  warmup = optax.linear_schedule(
    rate / config.warmup_steps, rate, config.warmup_steps
  )
  return optax.join_schedules([warmup, after], [config.warmup_steps])


def what_learns(config: OptimizerConfig, params: Any) -> Any:
  """The parameters' tree with True where a parameter learns."""
  rules = ((config.frozen, False), (config.trainable, True), (r".*", False))
  return trees.match(rules, params)


def make_optimizer(
  config: OptimizerConfig, params: Any, total_steps: int
) -> optax.GradientTransformation:
  """The optimizer for parameters of this structure.

  Frozen parameters have no moments and count in no norm.

  Raises:
    InputError: nothing is left to learn.
  """
  trainable = what_learns(config, params)
  chosen = [path for path, keep in _leaves(trainable) if keep]
  if not chosen:
    raise InputError(
      f"config.optimizer.trainable: {config.trainable!r}, less what "
      f"optimizer.frozen = {config.frozen!r} matches, is none of the parameter "
      f"paths; the paths begin with {', '.join(sorted(params))}."
    )
  rates = {
    "t5": config.lr_t5,
    "pmf": config.lr_pmf,
    "segment": config.lr_segment,
    "main": config.lr_main,
  }
  steps = optax.partition(
    {
      group: optax.scale_by_learning_rate(
        make_schedule(rate, config, total_steps)
      )
      for group, rate in rates.items()
    },
    lambda tree: trees.match(GROUPS, tree),
  )
  clip = [_clip_by_global_norm(config.clip_norm)]
  update = optax.chain(
    *(clip if config.clip_norm else []),
    *_direction(config),
    steps,
  )
  if all(keep for _, keep in _leaves(trainable)):
    return update
  groups = trees.map_with_paths(
    lambda _, keep: "learns" if keep else "frozen", trainable
  )
  return optax.partition(
    {"learns": update, "frozen": optax.set_to_zero()}, groups
  )


def _clip_by_global_norm(limit: float) -> optax.GradientTransformation:
  """`optax.clip_by_global_norm`, by one factor.

  XLA keeps a quotient as an array of its own, and computes a product again
  wherever it is read: an AdamW step moves a quarter less memory.
  """

  def update(updates, state, params=None):
    del params
    factor = limit / jnp.maximum(optax.tree.norm(updates), limit)
    return jax.tree.map(lambda each: each * factor, updates), state

  return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _direction(
  config: OptimizerConfig,
) -> tuple[optax.GradientTransformation, ...]:
  """From the gradient to the step that a learning rate then scales (D28)."""
  rules = ((config.decayed, True), (r".*", False))
  decay = optax.add_decayed_weights(
    config.weight_decay, mask=lambda tree: trees.match(rules, tree)
  )
  if config.kind == "adafactor":
    # Shazeer and Stern 2018, with updates clipped at a root mean square of 1
    # but without rates relative to the parameters': ours are given.
    clip = optax.clip_by_block_rms(1.0)
    return optax.scale_by_factored_rms(), clip, decay
  adam = optax.scale_by_adam()
  return (adam, decay) if config.kind == "adamw" else (decay, adam)


def _leaves(tree: Any) -> list[tuple[str, Any]]:
  leaves = []
  trees.map_with_paths(lambda path, leaf: leaves.append((path, leaf)), tree)
  return leaves
