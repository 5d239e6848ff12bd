"""What is measured for the table of goals, each in a process of its own.

A task takes a config and numbers of timed runs and of runs before them, and
returns values by name, None where one cannot be known.
"""

import functools
import importlib.metadata
from collections.abc import Callable

import jax
import numpy as np

from unimse_jax.benchmarking import (
  peers,
  prediction_speed,
  scaling,
  throughput,
)
from unimse_jax.benchmarking.workload import (
  make_lstms,
  make_step,
  make_workload,
  random_params,
  synthetic_model,
)
from unimse_jax.config import Config
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.mesh import config_mesh

Values = dict[str, float | None]
Task = Callable[[Config, int, int], Values]
_PACKAGES = ("jax", "jaxlib", "torch", "transformers")


def describe() -> dict[str, str | None]:
  """The device, and versions of what computes."""
  versions = {}
  for name in _PACKAGES:
    try:
      versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      versions[name] = None
  return {"device": jax.devices()[0].device_kind} | versions


def measure_training(config: Config, steps: int, warmup: int) -> Values:
  report = throughput.measure_training(config, steps, warmup)
  overall = report["train"]["overall"]
  names = ("share_of_peak", "epoch_seconds", "examples_per_second")
  return {name: overall[name] for name in names}


def measure_beside(peer: str, config: Config, steps: int, _: int) -> Values:
  """The peer's time over ours, for both of the tasks of `peers.measure`."""
  report = peers.measure(config, peer, "train", steps)
  return {name: task["ratio"] for name, task in report["tasks"].items()}


def measure_lstms(config: Config, steps: int, warmup: int) -> Values:
  """The LSTMs' time alone over that of a step, of the shape of most batches.

  The step may compute something else at the same time: it then waits for less.
  """
  mesh = config_mesh(config)
  workload = make_workload(config, mesh)
  plan = workload.plans_by_shape()[0]
  batch = sharding.shard_batch(
    workload.batch(config, plan, config.train.batch_size), mesh
  )
  step, alone = (
    np.median(
      throughput.time_runs(
        functools.partial(run, batch), steps, warmup, throughput.AHEAD
      )
    )
    for run in (make_step(config, mesh), make_lstms(config, mesh))
  )
  return {"share": float(alone / step)}


def measure_decoding(config: Config, steps: int, warmup: int) -> Values:
  report = throughput.measure_decoding(config, steps, warmup, ["greedy"])
  return {"tokens_per_second": report["greedy"]["tokens_per_second"]}


def measure_evaluation(config: Config, steps: int, warmup: int) -> Values:
  """Once, for it is thousands of clips."""
  del steps, warmup
  mesh, model = config_mesh(config), synthetic_model(config)
  params = random_params(config, model, mesh)
  found = prediction_speed.measure_test_sets(config, model, params, mesh)
  return {name: found[name] for name in ("seconds", "first_seconds")}


TASKS: dict[str, Task] = {
  "training": measure_training,
  "torch_compile": functools.partial(measure_beside, "torch_compile"),
  "torch_float32": functools.partial(measure_beside, "torch_float32"),
  "lstms": measure_lstms,
  "decoding": measure_decoding,
  "evaluation": measure_evaluation,
  "scaling": scaling.measure,
}
