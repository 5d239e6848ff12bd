"""Compiling for a TPU without one; needs libtpu but for the messages."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

from unimse_jax.benchmarking import ahead_of_time
from unimse_jax.benchmarking.ahead_of_time import Compiled

ROOT = pathlib.Path(__file__).parents[3]
needs_libtpu = pytest.mark.skipif(
  importlib.util.find_spec("libtpu") is None,
  reason="libtpu, the TPU compiler, is not installed (the extra `tpu`)",
)


def run(*arguments):
  """In a process of its own: libtpu prints, and stays loaded."""
  return subprocess.run(
    [sys.executable, "-m", "unimse_jax.compile_check", *arguments],
    capture_output=True,
    text=True,
    cwd=ROOT,
    env=os.environ | {"JAX_PLATFORMS": "cpu"},
  )


def test_collectives_are_counted_by_kind_and_once_if_asynchronous():
  text = """
    %all-reduce.1 = f32[8]{0} all-reduce(%x), replica_groups={}
    %start = (f32[8]{0}, f32[8]{0}) all-reduce-start(%y)
    %done = f32[8]{0} all-reduce-done(%start)
    %g = f32[16]{0} all-gather(%all-reduce.1), dimensions={0}
    %f = f32[8]{0} fusion(%all-gather.2), kind=kLoop
  """
  assert ahead_of_time.count_collectives(text) == {
    "all-gather": 1,
    "all-reduce": 2,
  }


def test_the_report_names_every_figure():
  program = Compiled(
    name="train step",
    argument_bytes=3 * 2**20,
    output_bytes=2 * 2**20,
    temporary_bytes=2**20,
    total_bytes=4 * 2**20,
    flops=2.5e9,
    collectives={"all-reduce": 5},
    seconds=1.25,
  )
  text = ahead_of_time.format_checks([program])
  for part in ("1.2 s", "4.0 MiB", "3.0 MiB", "2.5 GFLOP", "5 all-reduce"):
    assert part in text


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
def test_a_batch_that_the_slice_cannot_share_is_one_message():
  done = run("--config", "configs/demo.py", "--config.train.batch_size=12")
  assert done.returncode == 2
  assert "multiple of 8" in done.stderr


@needs_libtpu
def test_a_small_config_compiles_for_eight_chips():
  small = {
    "t5.width": 16,
    "t5.head_width": 8,
    "t5.heads": 2,
    "t5.hidden": 16,
    "t5.encoder_layers": 1,
    "t5.decoder_layers": 1,
    "model.pmf_layers": 1,
    "train.batch_size": 8,
    "decoding.batch_size": 8,
    "parallel.fsdp": 2,
    "parallel.model": 2,
  }
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
