"""How fast a config trains and decodes on the devices at hand.

Synthetic batches, random weights, the real train step: needs no files, and
nothing beyond jax, flax, optax, numpy and ml_collections.
"""

import collections
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging
from jax.sharding import Mesh

from unimse_jax.benchmarking import synthetic
from unimse_jax.benchmarking.chips import peak_flops
from unimse_jax.benchmarking.flops import Lengths, train_flops
from unimse_jax.benchmarking.workload import (
  Workload,
  encode_and_decode,
  make_assembly,
  make_workload,
  noise_automaton,
  random_params,
  synthetic_model,
)
from unimse_jax.config import Config
from unimse_jax.data.batching import BatchPlan
from unimse_jax.data.tokenizer import EOS
from unimse_jax.decoding import grammar
from unimse_jax.decoding.grammar import TokenAutomaton
from unimse_jax.errors import InputError, lacks_memory
from unimse_jax.models import UniMSE
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.training.assembly import Assembly, check_batch_size
from unimse_jax.training.train_state import TrainState

Shape = tuple[int, tuple[int, int] | None]  # of a `BatchPlan`
AHEAD = 5  # training steps that are started before the first is waited for
WAYS = ("greedy", "constrained", "beam")  # of decoding


@dataclasses.dataclass(frozen=True)
class Timed:
  """Attributes:
  seconds: wall time of a run, s, as `time_runs` returns it.
  compile_seconds: time of lowering and compiling, s.
  memory_bytes: memory that the compiler plans on one device: arguments,
    outputs that reuse none of them, and temporaries.
  """

  seconds: tuple[float, ...]
  compile_seconds: float
  memory_bytes: int

  @property
  def median(self) -> float:
    return float(np.median(self.seconds))

  def spread(self) -> dict[str, float]:
    """Seconds: median, least, 10th and 90th percentile."""
    low, high = np.percentile(self.seconds, (10, 90))
    return {
      "median": self.median,
      "min": min(self.seconds),
      "p10": float(low),
      "p90": float(high),
    }


def measure(config: Config, steps: int = 20, warmup: int = 3) -> dict[str, Any]:
  """`measure_training` and, as "decoding", `measure_decoding`."""
  report = measure_training(config, steps, warmup)
  return report | {"decoding": measure_decoding(config, steps, warmup)}


def measure_training(config: Config, steps: int, warmup: int) -> dict[str, Any]:
  """Times the train step in every shape of an epoch's batches.

  A batch lies on the devices before the clock starts: the input's own cost is
  not measured. Steps are started ahead of the devices, as in a real run, and
  the clock stops when the last state of a group of them is there.

  Args:
    config: the run to measure; its t5 fields give the shape.
    steps: timed runs of each compiled function.
    warmup: runs before them.

  Returns:
    Values of JSON types, times in s; `throughput_table` names them.

  Raises:
    InputError: the devices do not allow the mesh or the batch size, or have
      too little memory.
  """
  mesh = config_mesh(config)
  check_batch_size(config, mesh)
  workload = make_workload(config, mesh)
  model, assembly = make_assembly(config, mesh)
  report = _describe(config, mesh, assembly.abstract_state.params)
  report |= {"steps": -(-steps // AHEAD) * AHEAD}
  device = mesh.devices.flat[0]
  with _explained(device):
    state = assembly.create_state(random_params(config, model, mesh))
    timed = _time_training(
      config, mesh, assembly, state, workload, steps, warmup
    )
  report["train"] = _train_report(config, model, mesh, workload, timed)
  return report | {"memory": _memory(device, timed)}


def measure_decoding(
  config: Config, steps: int, warmup: int, ways: Sequence[str] = WAYS
) -> dict[str, Any]:
  """Times encoding and decoding of a full batch of the commonest bucket.

  Args:
    config: as of `measure_training`, and so are the next two.
    steps: timed runs.
    warmup: runs before them.
    ways: searches that are timed.

  Returns:
    Values of JSON types, times in s; `throughput_table` names them.

  Raises:
    InputError: as `measure_training`.
  """
  mesh = config_mesh(config)
  with _explained(mesh.devices.flat[0]):
    return _time_decoding(config, mesh, steps, warmup, ways)


def _describe(config: Config, mesh: Mesh, shapes: Any) -> dict[str, Any]:
  kind = mesh.devices.flat[0].device_kind
  return {
    "config": config.name,
    "device": {"kind": kind, "count": mesh.devices.size},
    "peak_flops_per_device": peak_flops(kind),
    "parameters": sum(leaf.size for leaf in jax.tree.leaves(shapes)),
    "dtype": config.t5.dtype,
    "batch_size": config.train.batch_size,
  }


@contextlib.contextmanager
def _explained(device: jax.Device) -> Iterator[None]:
  """Raises InputError where an error is a lack of memory."""
  try:
    yield
  except jax.errors.JaxRuntimeError as error:
    if not lacks_memory(error):
      raise
    raise InputError(
      f"Expected the config to fit into the memory of {device.device_kind}, "
      f"found: {str(error).splitlines()[0]} Lower config.train.batch_size or "
      "raise config.train.microbatches."
    ) from error


def _time_training(
  config: Config,
  mesh: Mesh,
  assembly: Assembly,
  state: TrainState,
  workload: Workload,
  steps: int,
  warmup: int,
) -> dict[Shape, Timed]:
  """Times of the train step; the state is donated and goes on."""
  key = jax.device_put(jax.random.key(config.seed), sharding.replicated(mesh))
  timed = {}
  for plan in workload.plans_by_shape():
    shape = plan.shape
    fullest = max(workload.of_shapes([shape]), key=lambda plan: len(plan.rows))
    batch = sharding.shard_batch(
      workload.batch(config, fullest, config.train.batch_size), mesh
    )
    compiled, seconds = _compile(assembly.step, state, batch, key)

    def step():
      nonlocal state
      state, metrics = compiled(state, batch, key)  # noqa: B023
      return state, metrics

    timed[shape] = Timed(
      time_runs(step, steps, warmup, AHEAD), seconds, _planned_bytes(compiled)
    )
    logging.info(
      "%s tokens: compiled in %.1f s, a step takes %.4g s.",
      workload.describe(fullest),
      seconds,
      timed[shape].median,
    )
  return timed


def _time_decoding(
  config: Config, mesh: Mesh, steps: int, warmup: int, ways: Sequence[str]
) -> dict[str, Any]:
  workload, model = make_workload(config, mesh), synthetic_model(config)
  params = random_params(config, model, mesh)
  size = sharding.divisible_size(config.decoding.batch_size, mesh)
  counts = collections.Counter(plan.length for plan in workload.plans)
  length = counts.most_common(1)[0][0]
  rows = [
    row for plan in workload.plans if plan.length == length for row in plan.rows
  ]
  plan = BatchPlan(tuple(rows[:size]), length)
  batch = sharding.shard_batch(workload.batch(config, plan, size), mesh)
  table = params["t5"]["shared"]["embedding"]
  # Zeros never win the argmax, so that no row ends early: the worst case.
  params["t5"]["shared"]["embedding"] = table.at[EOS].set(0.0)
  new_tokens = config.decoding.max_new_tokens
  report = {
    "length": length,
    "batch_size": size,
    "tokens": new_tokens + 1,
  }
  function = jax.jit(encode_and_decode, static_argnums=(0, 1, 2))
  for name in ways:
    beams, automaton = _search(name, config, model)
    compiled, seconds = _compile(
      function, model, new_tokens, beams, params, batch, automaton
    )
    run = functools.partial(compiled, params, batch, automaton)
    timed = Timed(
      time_runs(run, steps, warmup), seconds, _planned_bytes(compiled)
    )
    report[name] = {
      "beams": beams,
      "seconds": timed.spread(),
      "compile_seconds": seconds,
      "examples_per_second": len(plan.rows) / timed.median,
      "tokens_per_second": len(plan.rows) * (new_tokens + 1) / timed.median,
    }
  return report


def _search(
  name: str, config: Config, model: UniMSE
) -> tuple[int, TokenAutomaton]:
  """Beams and automaton of one of `WAYS`."""
  if name == "greedy":
    return 1, grammar.free(model.config.t5.vocab_size)
  # As large as the tables of four slots and T5's vocabulary; there is no
  # vocabulary here to make real ones with.
  noise = noise_automaton(config.seed)
  return (max(config.decoding.beams, 4) if name == "beam" else 1), noise


def _compile(function: Any, *arguments: Any) -> tuple[Any, float]:
  """The compiled function, and the seconds of lowering and compiling."""
  start = time.perf_counter()
  compiled = function.lower(*arguments).compile()
  return compiled, time.perf_counter() - start


def time_runs(
  function: Callable[[], Any], steps: int, warmup: int = 0, ahead: int = 1
) -> tuple[float, ...]:
  """Seconds of a run, `steps` of them; each value is the mean of a group.

  Args:
    function: what is timed.
    steps: timed runs, rounded up to whole groups.
    warmup: runs before them.
    ahead: size of a group, whose runs are started one after the other and
      waited for together, as a trainer starts a step before the last one ends.
  """
  for _ in range(warmup):
    jax.block_until_ready(function())
  seconds = []
  for _ in range(-(-steps // ahead)):
    start = time.perf_counter()
    for _ in range(ahead):
      found = function()
    jax.block_until_ready(found)
    seconds.append((time.perf_counter() - start) / ahead)
  return tuple(seconds)


def _planned_bytes(compiled: Any) -> int:
  usage = compiled.memory_analysis()
  return (
    usage.argument_size_in_bytes
    + usage.output_size_in_bytes
    - usage.alias_size_in_bytes
    + usage.temp_size_in_bytes
  )


def _memory(device: jax.Device, timed: dict[Shape, Timed]) -> dict[str, Any]:
  """Bytes on one device at the worst moment of training."""
  measured = (device.memory_stats() or {}).get("peak_bytes_in_use")
  if measured is not None:
    return {"peak_bytes": measured, "source": "measured by the device"}
  planned = max(times.memory_bytes for times in timed.values())
  return {"peak_bytes": planned, "source": "planned by the compiler"}


def _train_report(
  config: Config,
  model: UniMSE,
  mesh: Mesh,
  workload: Workload,
  timed: dict[Shape, Timed],
) -> dict[str, Any]:
  buckets = [
    {
      "shape": workload.describe(workload.of_shapes([shape])[0]),
      **_rates(config, model, mesh, workload, {shape: times}),
      "step_seconds": times.spread(),
      "compile_seconds": times.compile_seconds,
      "planned_bytes": times.memory_bytes,
    }
    for shape, times in timed.items()
  ]
  overall = _rates(config, model, mesh, workload, timed)
  seconds = overall["epoch_seconds"] / overall["steps_per_epoch"]
  return {"buckets": buckets, "overall": overall | {"step_seconds": seconds}}


def _rates(
  config: Config,
  model: UniMSE,
  mesh: Mesh,
  workload: Workload,
  timed: dict[Shape, Timed],
) -> dict[str, Any]:
  """What an epoch's batches of some shapes come to, at the median times.

  Tokens are text and label tokens; the padding is that of both, and of the
  empty rows of short batches.
  """
  plans = workload.of_shapes(timed)
  seconds = sum(timed[plan.shape].median for plan in plans)
  text = workload.lengths[[row for plan in plans for row in plan.rows]]
  label = synthetic.mean_label_tokens(config)
  flops = train_flops(
    model.config,
    Lengths(
      text=text,
      label=label,
      frames=config.data.frames,
      batch=config.train.batch_size // config.train.microbatches,
    ),
    synthetic.frame_widths(config),
  ).sum()
  tokens = text.sum() + label * len(text)
  width = synthetic.target_length(config)
  padded = width * config.train.batch_size * len(plans)
  padded += sum(np.prod(workload.order.shape(plan)) for plan in plans)
  peak = peak_flops(mesh.devices.flat[0].device_kind)
  share = flops / seconds / (peak * mesh.devices.size) if peak else None
  return {
    "steps_per_epoch": len(plans),
    "epoch_seconds": seconds,
    "examples_per_second": len(text) / seconds,
    "tokens_per_second": float(tokens / seconds),
    "padding": float(1 - tokens / padded),
    "flops_per_second": float(flops / seconds),
    "share_of_peak": None if share is None else float(share),
  }
