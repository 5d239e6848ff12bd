"""Compiles a config for a TPU topology that is not there.

libtpu holds the whole compiler, so that a CPU machine can tell whether a
config compiles, shards and fits before any TPU is rented.
"""

import dataclasses
import importlib.util
import os
import time
from collections.abc import Sequence

import jax
from absl import logging
from jax.experimental import topologies

from unimse_jax.benchmarking import fitting, programs
from unimse_jax.benchmarking.chips import Tpu, find_tpu
from unimse_jax.benchmarking.collectives import Traffic, count_traffic
from unimse_jax.benchmarking.memory_traffic import count_moved_bytes
from unimse_jax.benchmarking.programs import Program
from unimse_jax.config import Config
from unimse_jax.errors import InputError, lacks_memory

EXAMPLES = "v4:2x2x1, v5e:1x1, v5e:2x4, v5p:2x2x1, v6e:4x4"
# What is compiled -> how it is made, and what to try where it does not fit.
KINDS = {
  "usual step": (programs.usual_step, fitting.training_changes),
  "longest step": (programs.longest_step, fitting.training_changes),
  "decoding": (programs.decoding, fitting.decoding_changes),
}
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
      a loop counts once, here and below.
    moved_bytes: bytes between HBM and the chip.
    accessed_bytes: XLA's own count of bytes, those included that do not leave
      the chip.
    collectives: kind -> what the device sends in them.
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
  accessed_bytes: float
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


def check(config: Config, topology: str) -> list[Compiled]:
  """Compiles the usual train step, that of the longest texts, and decoding.

  The shapes are those of a training on the four corpora, whose texts' lengths
  `synthetic` makes up.

  Raises:
    InputError: as `topology_devices`, or the devices do not allow the mesh or
      the batch size, or a program does not fit into a device's memory; then it
      names the nearest config that does, which takes a compilation for each
      that is tried.
  """
  devices = topology_devices(topology)
  kinds = [*KINDS]
  usual, longest = (
    make(config, devices).name
    for make in (programs.usual_step, programs.longest_step)
  )
  if longest == usual:
    kinds.remove("longest step")
  return [check_program(config, devices, kind) for kind in kinds]


def check_program(
  config: Config, devices: Sequence[jax.Device], kind: str
) -> Compiled:
  """Compiles one of `KINDS`; raises as `check`."""
  make, changes = KINDS[kind]
  program = make(config, devices)
  compiled = compile_program(program, devices)
  if isinstance(compiled, Compiled):
    return compiled
  logging.info("%s does not fit; looking for what does.", program.name)
  nearest = fitting.nearest_fit(
    config,
    changes(config, len(devices)),
    lambda other: _fits(make(other, devices), devices),
  )
  raise InputError(
    f"{program.name}: expected a program that fits into a device's memory, "
    f"found: {compiled} {_advice(nearest)}"
  )


def _fits(program: Program, devices: Sequence[jax.Device]) -> bool:
  chip = find_tpu(devices[0].device_kind)
  if chip and program.argument_bytes() > chip.memory_bytes:
    return False
  fits = isinstance(compile_program(program, devices), Compiled)
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


def format_checks(found: Sequence[Compiled]) -> str:
  """What `check` returned, as lines for a terminal."""
  return "\n".join(line for each in found for line in _format(each))


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
    f"    bytes moved: {_mib(program.moved_bytes)} between HBM and chip, "
    f"{_mib(program.accessed_bytes)} by XLA's count",
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


def compile_program(
  program: Program, devices: Sequence[jax.Device]
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
  text = compiled.as_text()
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
    moved_bytes=count_moved_bytes(text),
    accessed_bytes=cost["bytes accessed"],
    collectives=count_traffic(text, len(devices)),
    chip=find_tpu(devices[0].device_kind),
    seconds=seconds,
  )
