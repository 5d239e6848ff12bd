"""Compiling for a TPU without one; needs libtpu but for the messages."""

import dataclasses
import importlib.util
import os
import pathlib
import subprocess
import sys

import jax
import pytest

from configs import demo
from unimse_jax.benchmarking import ahead_of_time, chips, programs
from unimse_jax.benchmarking.ahead_of_time import Compiled
from unimse_jax.benchmarking.collectives import Traffic
from unimse_jax.benchmarking.workload import init_params, synthetic_model
from unimse_jax.config import validate

ROOT = pathlib.Path(__file__).parents[3]
needs_libtpu = pytest.mark.skipif(
  importlib.util.find_spec("libtpu") is None,
  reason="libtpu, the TPU compiler, is not installed (the extra `tpu`)",
)
_SMALL = {
  "t5": {
    "width": 16,
    "head_width": 8,
    "heads": 2,
    "hidden": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
  },
  "model": {"pmf_layers": 1},
  "train": {"batch_size": 8},
  "decoding": {"batch_size": 8},
}


def run(*arguments):
  """In a process of its own: libtpu prints, and stays loaded."""
  return subprocess.run(
    [sys.executable, "-m", "unimse_jax.compile_check", *arguments],
    capture_output=True,
    text=True,
    cwd=ROOT,
    env=os.environ | {"JAX_PLATFORMS": "cpu"},
  )


def make_compiled() -> Compiled:
  return Compiled(
    name="train step",
    argument_bytes=3 * 2**20,
    output_bytes=2 * 2**20,
    temporary_bytes=2**20,
    total_bytes=4 * 2**20,
    flops=1.97e9,
    moved_bytes=5 * 2**20,
    accessed_bytes=7 * 2**20,
    collectives={"all-reduce": Traffic(5, 6 * 2**20)},
    chip=chips.find_tpu("TPU v5 lite"),
    seconds=1.25,
  )


def test_the_report_names_every_figure():
  program = make_compiled()
  assert ahead_of_time.format_checks([program]).splitlines() == [
    "train step: compiled in 1.2 s",
    "  memory of a device: 4.0 MiB (arguments 3.0 MiB, outputs 2.0 MiB, "
    "temporaries 1.0 MiB)",
    "  of a device, a loop's body counted once:",
    "    operations: 2.0 GFLOP",
    "    bytes moved: 5.0 MiB between HBM and chip, 7.0 MiB by XLA's count",
    "    collectives, with what it sends: 5 all-reduce (6.0 MiB)",
    "    least time: compute 0.01 ms, memory 0.0064 ms, network 0.0315 ms: "
    "bound by network",
  ]
  unknown = dataclasses.replace(program, chip=None, collectives={})
  text = ahead_of_time.format_checks([unknown])
  assert "sends: none" in text and "peaks of this device are not known" in text


def small_config(batch_size: int):
  values = demo.get_config()
  values.update(_SMALL)
  values.train.batch_size = batch_size
  return validate(values.to_dict())


def test_a_tiny_model_on_eight_devices(monkeypatch):
  monkeypatch.setattr(
    ahead_of_time, "topology_devices", lambda topology: jax.devices()
  )
  config = small_config(batch_size=8)
  train, decoding = ahead_of_time.check(config, "v5e:2x4")
  assert decoding.name == "decoding, 8 x 32 tokens"
  assert train.total_bytes > decoding.total_bytes > 0
  assert train.moved_bytes > 0 and train.flops > 0
  assert train.chip is None
  program = programs.usual_step(config, jax.devices())
  assert program.name == train.name
  assert program.argument_bytes() == train.argument_bytes
  # Every gradient is summed over the devices, that of the embedding for each
  # of its three uses, and little else.
  shapes = jax.eval_shape(
    lambda: init_params(config, synthetic_model(config), jax.random.key(0))
  )
  size = 4 * sum(leaf.size for leaf in jax.tree.leaves(shapes))
  size += 2 * 4 * shapes["t5"]["shared"]["embedding"].size
  sent = train.collectives["all-reduce"].sent_bytes
  assert 1 <= sent / (2 * 7 / 8 * size) < 1.02


def test_where_memory_is_too_small_the_message_has_the_flags(monkeypatch):
  def compiled(program, devices):
    fits = program.name.endswith(" in 2 parts")
    return make_compiled() if fits else "Used 20G of 16G."

  monkeypatch.setattr(
    ahead_of_time, "topology_devices", lambda topology: jax.devices()
  )
  monkeypatch.setattr(ahead_of_time, "compile_program", compiled)
  with pytest.raises(ahead_of_time.InputError) as error:
    ahead_of_time.check(small_config(batch_size=16), "v5e:2x4")
  assert str(error.value) == (
    "train step, 16 texts in 16 x 32 tokens, 2053 of 2053 batches: expected a "
    "program that fits into a device's memory, found: Used 20G of 16G. The "
    "nearest that fits: "
    "--config.train.remat=full --config.train.microbatches=2 "
    "--config.parallel.fsdp=8"
  )


def test_without_libtpu_one_message_says_how_to_get_it(monkeypatch):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(ahead_of_time.InputError, match=r"jax\[tpu\]"):
    ahead_of_time.topology_devices("v5e:2x4")


@needs_libtpu
@pytest.mark.parametrize("topology", ["v5e:3x5", "v99:2x2", "v5e"])
def test_an_unknown_topology_is_one_message(topology):
  done = run("--config", "configs/demo.py", "--topology", topology)
  assert done.returncode == 2
  assert f"found '{topology}'" in done.stderr
  assert "v5e:2x4" in done.stderr and "Traceback" not in done.stderr


@needs_libtpu
@pytest.mark.parametrize(
  ("topology", "kind", "count"),
  [
    ("v5e:1x1", "TPU v5 lite", 1),
    ("v5e:4x4", "TPU v5 lite", 16),
    ("v5p:2x2x2", "TPU v5", 8),
    ("v6e:4x4", "TPU v6 lite", 16),
  ],
)
def test_slices_have_their_chips_and_the_chips_their_peaks(
  topology, kind, count
):
  devices = ahead_of_time.topology_devices(topology)
  assert (devices[0].device_kind, len(devices)) == (kind, count)
  assert chips.find_tpu(kind)


@needs_libtpu
def test_a_batch_that_the_slice_cannot_share_is_one_message():
  done = run("--config", "configs/demo.py", "--config.train.batch_size=12")
  assert done.returncode == 2
  assert "multiple of 8" in done.stderr


@needs_libtpu
def test_a_small_config_compiles_for_eight_chips():
  small = {
    f"{section}.{name}": value
    for section, fields in _SMALL.items()
    for name, value in fields.items()
  } | {"parallel.fsdp": 2, "parallel.model": 2}
  done = run(
    "--config",
    "configs/demo.py",
    *(f"--config.{name}={value}" for name, value in small.items()),
  )
  assert done.returncode == 0, done.stderr
  assert "demo on v5e:2x4" in done.stdout
  train, decoding = done.stdout.split("\ndecoding, ")
  # Parameters split over fsdp are gathered, gradients summed.
  assert "all-gather" in train and "all-reduce" in train
  assert decoding.startswith("8 x 32 tokens: compiled in")
  assert done.stdout.count("least time: compute") == 2
