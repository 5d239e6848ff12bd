"""Compiles a config for a TPU topology that is not there.

libtpu holds the whole compiler, so that a CPU machine can tell whether a
config compiles, shards and fits before any TPU is rented.
"""

import dataclasses
import functools
import importlib.util
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from jax.experimental import topologies
from jax.sharding import Mesh

from unimse_jax.benchmarking import fitting, synthetic
from unimse_jax.benchmarking.chips import Tpu, find_tpu
from unimse_jax.benchmarking.collectives import Traffic, count_traffic
from unimse_jax.benchmarking.workload import (
  encode_and_decode,
  init_params,
  noise_automaton,
  synthetic_model,
)
from unimse_jax.config import Config
from unimse_jax.errors import InputError, lacks_memory
from unimse_jax.models import UniMSE
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.training.assembly import Assembly, assemble, check_batch_size

EXAMPLES = "v4:2x2x1, v5e:1x1, v5e:2x4, v5p:2x2x1, v6e:4x4"
# No TPU is touched: libtpu need not look for one, noisily, nor keep it to one
# process.
_SETTINGS = {
  "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
  "TPU_SKIP_MDS_QUERY": "1",
  "TPU_ACCELERATOR_TYPE": "v5litepod-8",
  "TPU_WORKER_HOSTNAMES": "localhost",
}


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
    moved_bytes: bytes between HBM and the chip, counted in the same way.
    collectives: kind -> what the device sends in them, counted so too.
    chip: peaks of the device; None where they are not known.
    seconds: time of lowering and compiling.
  """

  name: str
  argument_bytes: int
  output_bytes: int
  temporary_bytes: int
  total_bytes: int
  flops: float
  moved_bytes: float
  collectives: dict[str, Traffic]
  chip: Tpu | None
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
  # Left alone, libtpu takes hosts to have 2 x 2 chips.
  single = {"chips_per_host_bounds": (1, 1, 1)}
  options = single if topology.endswith(":1x1") else {}
  try:
    return topologies.get_topology_desc(
      topology, platform="tpu", **options
    ).devices
  except (jax.errors.JaxRuntimeError, RuntimeError, ValueError) as error:
    raise InputError(
      f"--topology: expected a TPU topology such as {EXAMPLES}; found "
      f"{topology!r}: {str(error).splitlines()[0]}"
    ) from error


@dataclasses.dataclass(frozen=True)
class _Program:
  """What is compiled.

  Attributes:
    name: program and batch.
    function: jitted function.
    arguments: abstract arrays and static arguments of it.
  """

  name: str
  function: Any
  arguments: tuple[Any, ...]


def check(config: Config, topology: str) -> list[Compiled]:
  """Compiles the train step and decoding at the longest bucket.

  Raises:
    InputError: as `topology_devices`, or the devices do not allow the mesh or
      the batch size, or a program does not fit into a device's memory; then it
      names the nearest config that does, which takes a compilation for each
      that is tried.
  """
  devices = topology_devices(topology)
  return [
    _check(config, devices, _training, fitting.training_steps(config)),
    _check(config, devices, _decoding, fitting.decoding_steps(config)),
  ]


def _check(
  config: Config,
  devices: Sequence[jax.Device],
  make: Callable[[Config, Sequence[jax.Device]], _Program],
  steps: list[fitting.Changes],
) -> Compiled:
  program = make(config, devices)
  compiled = _compile(program, devices)
  if isinstance(compiled, Compiled):
    return compiled
  logging.info("%s does not fit; looking for what does.", program.name)
  changes = fitting.nearest_fit(
    config,
    steps,
    len(devices),
    lambda other: _fits(make(other, devices), devices),
  )
  raise InputError(
    f"{program.name}: expected a program that fits into a device's memory, "
    f"found: {compiled} {_advice(changes)}"
  )


def _fits(program: _Program, devices: Sequence[jax.Device]) -> bool:
  chip = find_tpu(devices[0].device_kind)
  if chip and _argument_bytes(program) > chip.memory_bytes:
    return False
  fits = isinstance(_compile(program, devices), Compiled)
  logging.info("%s: %s.", program.name, "fits" if fits else "does not fit")
  return fits


def _advice(changes: fitting.Changes | None) -> str:
  if changes is None:
    return (
      "Nothing that was tried fits either: take more chips or lower "
      "config.train.batch_size."
    )
  flags = (f"--config.{path}={new}" for path, new in changes.items())
  return f"The nearest that fits: {' '.join(flags)}"


def _training(config: Config, devices: Sequence[jax.Device]) -> _Program:
  mesh = config_mesh(config, devices)
  check_batch_size(config, mesh)
  _, assembly = _assemble(config, mesh)
  key = jax.eval_shape(lambda: jax.random.key(0))
  key = jax.ShapeDtypeStruct(
    key.shape, key.dtype, sharding=sharding.replicated(mesh)
  )
  size, parts = config.train.batch_size, config.train.microbatches
  name = f"train step, {size} x {config.data.buckets[-1]} tokens"
  return _Program(
    f"{name} in {parts} parts" if parts > 1 else name,
    assembly.step,
    (assembly.abstract_state, _abstract_batch(config, mesh, size), key),
  )


def _decoding(config: Config, devices: Sequence[jax.Device]) -> _Program:
  mesh = config_mesh(config, devices)
  model, assembly = _assemble(config, mesh)
  divisor = sharding.batch_divisor(mesh)
  size = -(-config.decoding.batch_size // divisor) * divisor
  return _Program(
    f"decoding, {size} x {config.data.buckets[-1]} tokens",
    jax.jit(encode_and_decode, static_argnums=(0, 1, 2)),
    (
      model,
      config.decoding.max_new_tokens,
      config.decoding.beams,
      assembly.abstract_state.params,
      _abstract_batch(config, mesh, size),
      noise_automaton(config.seed),
    ),
  )


def _assemble(config: Config, mesh: Mesh) -> tuple[UniMSE, Assembly]:
  model = synthetic_model(config)
  shapes = jax.eval_shape(
    functools.partial(init_params, config, model), jax.random.key(0)
  )
  return model, assemble(config, model, shapes, mesh, total_steps=1000)


def format_checks(programs: Sequence[Compiled]) -> str:
  """What `check` returned, as lines for a terminal."""
  return "\n".join(line for each in programs for line in _format(each))


def _format(program: Compiled) -> list[str]:
  collectives = ", ".join(
    f"{traffic.count} {kind} ({_mib(traffic.sent_bytes)})"
    for kind, traffic in program.collectives.items()
  )
  lines = [
    f"{program.name}: compiled in {program.seconds:.1f} s",
    "  memory of a device: "
    f"{_mib(program.total_bytes)} (arguments "
    f"{_mib(program.argument_bytes)}, outputs {_mib(program.output_bytes)}, "
    f"temporaries {_mib(program.temporary_bytes)})",
    "  of a device, a loop's body counted once:",
    f"    operations: {program.flops / 1e9:.1f} GFLOP",
    f"    bytes moved: {_mib(program.moved_bytes)}",
    f"    collectives, with what it sends: {collectives or 'none'}",
  ]
  if program.chip is None:
    return [*lines, "    least time: the peaks of this device are not known"]
  sent = sum(each.sent_bytes for each in program.collectives.values())
  seconds = program.chip.least_seconds(program.flops, program.moved_bytes, sent)
  times = ", ".join(f"{part} {s * 1e3:.3g} ms" for part, s in seconds.items())
  bound = max(seconds, key=seconds.__getitem__)
  return [*lines, f"    least time: {times}: bound by {bound}"]


def _mib(size: float) -> str:
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


def _argument_bytes(program: _Program) -> int:
  """Bytes of the arguments on one device."""
  arrays = [
    leaf
    for leaf in jax.tree.leaves(program.arguments)
    if isinstance(leaf, jax.ShapeDtypeStruct)
  ]
  return sum(
    math.prod(each.sharding.shard_shape(each.shape)) * each.dtype.itemsize
    for each in arrays
  )


def _compile(
  program: _Program, devices: Sequence[jax.Device]
) -> Compiled | str:
  """What came of it, or what the compiler says where memory is too small."""
  start = time.perf_counter()
  try:
    compiled = program.function.lower(*program.arguments).compile()
  except jax.errors.JaxRuntimeError as error:
    if not lacks_memory(error):
      raise
    return str(error).splitlines()[0]
  seconds = time.perf_counter() - start
  memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
  return Compiled(
    name=program.name,
    argument_bytes=memory.argument_size_in_bytes,
    output_bytes=memory.output_size_in_bytes,
    temporary_bytes=memory.temp_size_in_bytes,
    total_bytes=memory.argument_size_in_bytes
    + memory.output_size_in_bytes
    - memory.alias_size_in_bytes
    + memory.temp_size_in_bytes,
    flops=cost["flops"],
    moved_bytes=cost["bytes accessed"],
    collectives=count_traffic(compiled.as_text(), len(devices)),
    chip=find_tpu(devices[0].device_kind),
    seconds=seconds,
  )
