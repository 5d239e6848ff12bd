"""What more texts, longer voices and larger corpora cost, as ratios."""

import dataclasses
import functools
import time
from typing import Any

import numpy as np

from unimse_jax.benchmarking import programs, synthetic
from unimse_jax.benchmarking.throughput import AHEAD, time_runs
from unimse_jax.benchmarking.workload import make_step, make_workload
from unimse_jax.config import Config
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.training.batch_order import BatchOrder

BATCH = 8  # times as many texts in a batch
AUDIO = 2  # times as many frames of voice
CORPORA = 4  # times as many texts in an epoch


@dataclasses.dataclass(frozen=True)
class Cost:
  """Of one training step.

  Attributes:
    flops: operations by XLA's count of the compiled program.
    bytes: bytes that its operations read and write, by the same count.
    seconds: median time.
  """

  flops: float
  bytes: float
  seconds: float


def measure(config: Config, steps: int, warmup: int) -> dict[str, float]:
  """Costs after over costs before.

  Args:
    config: the run to measure. The smaller batch is an eighth of its batch, or
      one text where it has fewer than eight.
    steps: timed steps of each program.
    warmup: steps before them.

  Returns:
    "batch_flops", "batch_bytes", "batch_seconds" of a step with 8 times the
    texts; "audio_..." of a step with twice the frames of voice; of an epoch of
    4 times the texts "corpora_places", what the encoder reads, and
    "corpora_seconds", the CPU time of planning it.
  """
  size = max(config.train.batch_size // BATCH, 1)
  small = _with(config, "train", batch_size=size)
  large = _with(config, "train", batch_size=BATCH * size)
  frames = AUDIO * config.data.audio_frames
  cost = functools.partial(step_cost, steps=steps, warmup=warmup)
  before = cost(large)
  return (
    _ratios("batch", before, cost(small))
    | _ratios("audio", cost(_with(large, "data", audio_frames=frames)), before)
    | _corpora(config)
  )


def step_cost(config: Config, steps: int, warmup: int) -> Cost:
  """The cost of the step of most batches."""
  mesh = config_mesh(config)
  workload = make_workload(config, mesh)
  plan = workload.plans_by_shape()[0]
  batch = workload.batch(config, plan, config.train.batch_size)
  program = programs.usual_step(config, mesh.devices.flatten().tolist())
  counted = program.function.lower(*program.arguments).compile().cost_analysis()
  run = functools.partial(
    make_step(config, mesh), sharding.shard_batch(batch, mesh)
  )
  return Cost(
    counted["flops"],
    counted["bytes accessed"],
    float(np.median(time_runs(run, steps, warmup, AHEAD))),
  )


def _ratios(name: str, after: Cost, before: Cost) -> dict[str, float]:
  return {
    f"{name}_{field.name}": getattr(after, field.name)
    / getattr(before, field.name)
    for field in dataclasses.fields(Cost)
  }


def _corpora(config: Config) -> dict[str, float]:
  mesh = config_mesh(config)
  lengths = synthetic.text_lengths(config.text, config.seed)
  corpora = synthetic.row_corpora()
  found = []
  for times in (1, CORPORA):
    start = time.process_time()
    order = BatchOrder(np.tile(lengths, times), corpora * times, config, mesh)
    seconds = time.process_time() - start
    places = sum(np.prod(order.shape(plan)) for plan in order.epoch(0))
    found.append((places, seconds))
  (places, seconds), (more, longer) = found
  return {
    "corpora_places": float(more / places),
    "corpora_seconds": longer / seconds,
  }


def _with(config: Config, section: str, **fields: Any) -> Config:
  changed = dataclasses.replace(getattr(config, section), **fields)
  return dataclasses.replace(config, **{section: changed})
