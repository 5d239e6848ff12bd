"""Compiles a config for a TPU topology that is not there.

libtpu holds the whole compiler, so that a CPU machine can tell whether a
config compiles, shards and fits before any TPU is rented.
"""

import collections
import dataclasses
import functools
import importlib.util
import os
import re
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh

from unimse_jax.benchmarking import synthetic
from unimse_jax.benchmarking.workload import (
  encode_and_decode,
  init_params,
  noise_automaton,
  synthetic_model,
)
from unimse_jax.config import Config
from unimse_jax.errors import InputError, lacks_memory
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.training.assembly import assemble, check_batch_size

EXAMPLES = "v4:2x2x1, v5e:2x4, v5p:2x2x1, v6e:4x4"
# No TPU is touched: libtpu need not look for one, noisily, nor keep it to one
# process.
_SETTINGS = {
  "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
  "TPU_SKIP_MDS_QUERY": "1",
  "TPU_ACCELERATOR_TYPE": "v5litepod-8",
  "TPU_WORKER_HOSTNAMES": "localhost",
}
_COLLECTIVES = re.compile(
  r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)"
  r"(?:-start)?\("
)


@dataclasses.dataclass(frozen=True)
class Compiled:
  """One compiled function, as seen from one device.

  Attributes:
    name: compiled program.
    argument_bytes: parameters, optimizer state and batch.
    output_bytes: results, those included that reuse an argument's memory.
    temporary_bytes: everything in between.
    total_bytes: all of them, shared memory counted once.
    flops: operations of one run on one device as XLA counts them; the body of
      a loop counts once.
    collectives: kind -> number of operations.
    seconds: time of lowering and compiling.
  """

  name: str
  argument_bytes: int
  output_bytes: int
  temporary_bytes: int
  total_bytes: int
  flops: float
  collectives: dict[str, int]
  seconds: float


def topology_devices(topology: str) -> Sequence[jax.Device]:
  """The devices of a topology such as "v5e:2x4".

  Raises:
    InputError: libtpu is not installed, or knows no such topology.
  """
  if importlib.util.find_spec("libtpu") is None:
    raise InputError(
      "Expected libtpu, which holds the TPU compiler; found none. Install it "
      'in the version of this jax: pip install "jax[tpu]".'
    )
  for name, value in _SETTINGS.items():
    os.environ.setdefault(name, value)
  try:
    return topologies.get_topology_desc(topology, platform="tpu").devices
  except (jax.errors.JaxRuntimeError, RuntimeError, ValueError) as error:
    raise InputError(
      f"--topology: expected a TPU topology such as {EXAMPLES}; found "
      f"{topology!r}: {str(error).splitlines()[0]}"
    ) from error


def check(config: Config, topology: str) -> list[Compiled]:
  """Compiles the train step and decoding at the longest bucket.

  Raises:
    InputError: as `topology_devices`, or the devices do not allow the mesh or
      the batch size, or a program does not fit into a device's memory.
  """
  mesh = config_mesh(config, topology_devices(topology))
  check_batch_size(config, mesh)
  model = synthetic_model(config)
  shapes = jax.eval_shape(
    functools.partial(init_params, config, model), jax.random.key(0)
  )
  assembly = assemble(config, model, shapes, mesh, total_steps=1000)
  state = assembly.abstract_state
  key = jax.eval_shape(lambda: jax.random.key(0))
  key = jax.ShapeDtypeStruct(
    key.shape, key.dtype, sharding=sharding.replicated(mesh)
  )
  longest = config.data.buckets[-1]
  size = config.train.batch_size
  programs = [
    _compile(
      f"train step, {size} x {longest} tokens",
      assembly.step,
      state,
      _abstract_batch(config, mesh, size),
      key,
    )
  ]
  divisor = sharding.batch_divisor(mesh)
  size = -(-config.decoding.batch_size // divisor) * divisor
  programs.append(
    _compile(
      f"decoding, {size} x {longest} tokens",
      jax.jit(encode_and_decode, static_argnums=(0, 1, 2)),
      model,
      config.decoding.max_new_tokens,
      config.decoding.beams,
      state.params,
      _abstract_batch(config, mesh, size),
      noise_automaton(config.seed),
    )
  )
  return programs


def count_collectives(text: str) -> dict[str, int]:
  """Kind -> number of such operations in the text of a compiled program."""
  return dict(sorted(collections.Counter(_COLLECTIVES.findall(text)).items()))


def format_checks(programs: Sequence[Compiled]) -> str:
  """What `check` returned, as lines for a terminal."""
  lines = []
  for program in programs:
    collectives = ", ".join(
      f"{count} {kind}" for kind, count in program.collectives.items()
    )
    lines += [
      f"{program.name}: compiled in {program.seconds:.1f} s",
      "  memory of a device: "
      f"{_mib(program.total_bytes)} (arguments "
      f"{_mib(program.argument_bytes)}, outputs {_mib(program.output_bytes)}, "
      f"temporaries {_mib(program.temporary_bytes)})",
      f"  operations of a device: {program.flops / 1e9:.1f} GFLOP (a loop's "
      "body counted once)",
      f"  collectives: {collectives or 'none'}",
    ]
  return "\n".join(lines)


def _mib(size: int) -> str:
  return f"{size / 2**20:.1f} MiB"


def _abstract_batch(
  config: Config, mesh: Mesh, size: int
) -> dict[str, jax.ShapeDtypeStruct]:
  longest = config.data.buckets[-1]
  batch = synthetic.make_batch(config, np.array([longest]), size, longest)
  place = sharding.batch_sharding(mesh)
  return {
    name: jax.ShapeDtypeStruct(values.shape, values.dtype, sharding=place)
    for name, values in batch.items()
  }


def _compile(name: str, function: Any, *arguments: Any) -> Compiled:
  start = time.perf_counter()
  try:
    compiled = function.lower(*arguments).compile()
  except jax.errors.JaxRuntimeError as error:
    if not lacks_memory(error):
      raise
    raise InputError(
      f"{name}: expected a program that fits into a device's memory, found: "
      f"{str(error).splitlines()[0]} Lower config.train.batch_size, or raise "
      "config.train.microbatches or config.parallel.fsdp."
    ) from error
  memory = compiled.memory_analysis()
  return Compiled(
    name=name,
    argument_bytes=memory.argument_size_in_bytes,
    output_bytes=memory.output_size_in_bytes,
    temporary_bytes=memory.temp_size_in_bytes,
    total_bytes=memory.argument_size_in_bytes
    + memory.output_size_in_bytes
    - memory.alias_size_in_bytes
    + memory.temp_size_in_bytes,
    flops=compiled.cost_analysis()["flops"],
    collectives=count_collectives(compiled.as_text()),
    seconds=time.perf_counter() - start,
  )
