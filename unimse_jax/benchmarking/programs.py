"""What a config runs on devices, with the shapes that training would choose.

Everything is abstract, so that the devices need not be there.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from unimse_jax.benchmarking import synthetic
from unimse_jax.benchmarking.workload import (
  Workload,
  encode_and_decode,
  make_assembly,
  make_workload,
  noise_automaton,
)
from unimse_jax.config import Config
from unimse_jax.data.batching import Batch, BatchPlan
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.training.assembly import check_batch_size


@dataclasses.dataclass(frozen=True)
class Program:
  """What is compiled.

  Attributes:
    name: program and batch.
    function: jitted function.
    arguments: abstract arrays and static arguments of it.
  """

  name: str
  function: Any
  arguments: tuple[Any, ...]

  def argument_bytes(self) -> int:
    """Bytes of the arguments on one device."""
    arrays = [
      leaf
      for leaf in jax.tree.leaves(self.arguments)
      if isinstance(leaf, jax.ShapeDtypeStruct)
    ]
    return sum(
      math.prod(each.sharding.shard_shape(each.shape)) * each.dtype.itemsize
      for each in arrays
    )


def usual_step(config: Config, devices: Sequence[jax.Device]) -> Program:
  """The train step of most batches.

  Raises:
    InputError: the devices do not allow the mesh or the batch size.
  """
  return _step(config, devices, lambda plans: plans[0])


def longest_step(config: Config, devices: Sequence[jax.Device]) -> Program:
  """The train step of the batches of the longest texts; as `usual_step`."""
  return _step(
    config, devices, lambda plans: max(plans, key=lambda plan: plan.length)
  )


def decoding(config: Config, devices: Sequence[jax.Device]) -> Program:
  """Decoding of a full batch of the longest texts, of which each is a row.

  Raises:
    InputError: the devices do not allow the mesh.
  """
  mesh = config_mesh(config, devices)
  model, assembly = make_assembly(config, mesh)
  size = sharding.divisible_size(config.decoding.batch_size, mesh)
  longest = config.data.buckets[-1]
  batch = synthetic.make_batch(config, np.array([longest]), size, longest)
  params = assembly.abstract_state.params  # as `Labeller` gathers them
  places = jax.tree.map(sharding.gathered, assembly.sharding.params)
  return Program(
    f"decoding, {size} x {longest} tokens",
    jax.jit(encode_and_decode, static_argnums=(0, 1, 2)),
    (
      model,
      config.decoding.max_new_tokens,
      config.decoding.beams,
      sharding.placed(params, places),
      _abstract(batch, mesh),
      noise_automaton(config.seed),
    ),
  )


def _step(
  config: Config,
  devices: Sequence[jax.Device],
  choose: Callable[[list[BatchPlan]], BatchPlan],
) -> Program:
  """The train step of the plan that is chosen of those of each shape."""
  mesh = config_mesh(config, devices)
  check_batch_size(config, mesh)
  workload = make_workload(config, mesh)
  plan = choose(workload.plans_by_shape())
  _, assembly = make_assembly(config, mesh)
  key = jax.eval_shape(lambda: jax.random.key(0))
  key = jax.ShapeDtypeStruct(
    key.shape, key.dtype, sharding=sharding.replicated(mesh)
  )
  batch = workload.batch(config, plan, config.train.batch_size)
  return Program(
    _step_name(config, workload, plan),
    assembly.step,
    (assembly.abstract_state, _abstract(batch, mesh), key),
  )


def _step_name(config: Config, workload: Workload, plan: BatchPlan) -> str:
  rows, length = workload.order.shape(plan)
  alike = sum(each.shape == plan.shape for each in workload.plans)
  name = (
    f"train step, {config.train.batch_size} texts in {rows} x {length} tokens, "
    f"{alike} of {len(workload.plans)} batches"
  )
  parts = config.train.microbatches
  return f"{name}, in {parts} parts" if parts > 1 else name


def _abstract(batch: Batch, mesh: Mesh) -> dict[str, jax.ShapeDtypeStruct]:
  place = sharding.batch_sharding(mesh)
  return {
    name: jax.ShapeDtypeStruct(values.shape, values.dtype, sharding=place)
    for name, values in batch.items()
  }
