"""What a training tells: one block at the start, then a line now and then."""

import collections
import math
import sys
import time
from collections.abc import Mapping
from typing import Any, Self

import jax
import tqdm
from absl import logging
from jax.sharding import Mesh

from unimse_jax.config import Config
from unimse_jax.data.mixture import Mixture
from unimse_jax.data.records import SPLITS
from unimse_jax.parallel import multihost
from unimse_jax.training.batch_order import BatchOrder

_LINE_EVERY = 60.0  # s, where there is no terminal for a bar


def starting_block(
  config: Config,
  mixture: Mixture,
  params: Any,
  mesh: Mesh,
  order: BatchOrder,
  start: int,
  total_steps: int,
) -> str:
  """What is about to be trained, on what, and for how long.

  Args:
    config: the run's; what a batch is split into is read.
    mixture: corpora and labels.
    params: parameters, or their shapes.
    mesh: devices that the step runs on.
    order: the batches of the steps.
    start: steps that are done already.
    total_steps: steps of the whole training.
  """
  device = mesh.devices.flat[0]
  count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
  epoch = order.epoch(0)
  shapes = sorted({order.shape(plan) for plan in epoch})
  lines = [
    f"devices     {mesh.size} x {device.device_kind} ({device.platform})",
    f"parameters  {count:,}",
    f"steps       {start} of {total_steps} done, {len(epoch)} an epoch",
    "encoder     rows x tokens: "
    + ", ".join(f"{rows} x {length}" for rows, length in shapes)
    + f"; {order.real_tokens(epoch):.1%} of them real; each shape is compiled "
    "when its first batch comes",
  ]
  size, parts = config.train.batch_size, config.train.microbatches
  if (config.loss.alpha or config.loss.beta) and parts > 1:
    lines.append(
      f"contrast    each utterance with the {size // parts - 1} others of its "
      f"part of the batch, not with {size - 1} (train.microbatches = {parts})"
    )
  for corpus in mixture.corpora:
    counts = collections.Counter(
      split
      for split in SPLITS
      for example in mixture.examples[split]
      if example.corpus == corpus
    )
    shown = ", ".join(f"{counts[split]:,} {split}" for split in SPLITS)
    lines.append(f"corpus      {corpus}: {shown}")
  return "\n".join(lines)


class Progress:
  """A bar on a terminal; elsewhere a line a minute. Process 0 alone tells."""

  def __init__(self, start: int, total_steps: int):
    """Starts the clock.

    Args:
      start: steps that are done already.
      total_steps: steps of the whole training.
    """
    self._start, self._total = start, total_steps
    self._begun, self._told = time.monotonic(), -math.inf
    self._first = multihost.is_first()
    self._bar = tqdm.tqdm(
      total=total_steps,
      initial=start,
      desc="training",
      unit="step",
      disable=None if self._first else True,
    )

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *error: object) -> None:
    self._bar.close()

  def step(self) -> None:
    """One more step is on its way."""
    self._bar.update()

  def measured(self, step: int, loss: float, rate: float) -> None:
    """Shows the numbers of a logged step.

    Args:
      step: number of the step.
      loss: loss of its batch.
      rate: examples per second, over all processes.
    """
    self._bar.set_postfix_str(f"loss {loss:.3f}, {rate:.0f} examples/s")
    now = time.monotonic()
    if not self._first or sys.stderr.isatty():
      return
    if now - self._told >= _LINE_EVERY:
      self._told = now
      done = max(step - self._start, 1)
      left = (now - self._begun) / done * (self._total - step) / 60
      logging.info(
        "step %d of %d, loss %.3f, %.0f examples/s, about %.0f min left",
        *(step, self._total, loss, rate, left),
      )

  def evaluated(self, epoch: int, scores: Mapping[str, float]) -> None:
    """Shows the scores of an evaluation."""
    if self._first:
      shown = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
      self._bar.write(f"epoch {epoch}  {shown}")
