"""Stops a training whose loss is no longer finite, and says where it broke."""

from collections.abc import Callable, Mapping

import jax
import numpy as np

from unimse_jax.data.batching import Batch, BatchPlan
from unimse_jax.errors import InputError
from unimse_jax.files import open_atomically
from unimse_jax.parallel import multihost
from unimse_jax.pipeline import Experiment

# The loss is of the parameters before the step, the gradient makes those
# after it: both must be finite, so that no broken state is ever saved.
_WATCHED = ("loss", "gradient_norm")
_IDS = 8  # named in the message


class Health:
  """Watches loss and gradient of every step at the price of the logged ones.

  Once a loss is broken all later ones are. To name the step and the batch
  where it began, the numbers of the steps since the last check are kept on the
  device and fetched together.
  """

  def __init__(
    self,
    experiment: Experiment,
    batch: Callable[[int], Batch],
    plan: Callable[[int], BatchPlan],
  ):
    """Starts with no steps.

    Args:
      experiment: the run, its directory and its examples.
      batch: makes the batch of a step, counted from 0.
      plan: gives the rows of that batch.
    """
    self._experiment, self._batch, self._plan = experiment, batch, plan
    self._waiting: dict[int, dict[str, jax.Array]] = {}

  def add(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
    """Keeps what is watched of a step, counted from 1."""
    self._waiting[step] = {name: metrics[name] for name in _WATCHED}

  def check(self, last_good: Callable[[], int | None]) -> None:
    """Fetches and checks all steps since the last check.

    Args:
      last_good: gives the step of the newest checkpoint, if there is one; asked
        only when a step is broken.

    Raises:
      InputError: a step is broken; its batch is then in the run directory.
    """
    fetched = jax.device_get(self._waiting)
    self._waiting = {}
    for step, values in fetched.items():
      broken = {k: float(v) for k, v in values.items() if not np.isfinite(v)}
      if broken:
        raise InputError(self._message(step, broken, last_good()))

  def _message(
    self, step: int, broken: Mapping[str, float], last_good: int | None
  ) -> str:
    ids = self._ids(step)
    shown = ", ".join(ids[:_IDS]) + (" ..." if len(ids) > _IDS else "")
    file = self._experiment.run_dir.broken_batch_file
    if multihost.is_first():
      with open_atomically(file) as content:
        np.savez(content, ids=np.array(ids), **self._batch(step - 1))
    saved = "none" if last_good is None else f"step {last_good}"
    return (
      f"expected a finite loss and gradient at step {step}, found {broken}; "
      f"the batch is in {file} and holds {shown}; the last good checkpoint is "
      f"{saved}: {self._advice(step)}, in a new --workdir"
    )

  def _ids(self, step: int) -> list[str]:
    examples = self._experiment.mixture.examples["train"]
    rows = [examples[row] for row in self._plan(step - 1).rows]
    return [f"{each.corpus}/train/{each.id}" for each in rows]

  def _advice(self, step: int) -> str:
    config = self._experiment.config
    if config.t5.dtype != "float32":
      return f"try t5.dtype = float32 instead of {config.t5.dtype}"
    if step == 1:
      return "the weights to start from, or this batch, make it: look at both"
    return (
      "lower the learning rates (optimizer.lr_*), or set "
      "optimizer.warmup_steps and optimizer.clip_norm"
    )
