"""Two real processes train one model, as one process does."""

import json
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Sequence

import jax
import numpy as np

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.rundir import RunDir
from unimse_jax.training import trainer

_ROOT = pathlib.Path(__file__).parents[3]
# `train` as the command runs it, with one CPU device a process.
_SCRIPT = """
import runpy, sys
import jax
jax.config.update("jax_num_cpu_devices", 1)
jax.config.update("jax_disable_most_optimizations", True)
runpy.run_module(f"unimse_jax.{sys.argv.pop(1)}", run_name="__main__")
"""


def free_port() -> int:
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    return probe.getsockname()[1]


def start_both(
  module: str, *arguments: Sequence[str]
) -> list[subprocess.Popen]:
  """Starts a command in two processes, each with its own arguments."""
  coordinator = f"localhost:{free_port()}"
  return [
    subprocess.Popen(
      [sys.executable, "-c", _SCRIPT, module, *own],
      cwd=_ROOT,
      env={
        **os.environ,
        "UNIMSE_COORDINATOR": coordinator,
        "UNIMSE_PROCESSES": "2",
        "UNIMSE_PROCESS": str(process),
      },
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    for process, own in enumerate(arguments)
  ]


def run_both(module: str, *arguments: str) -> list[str]:
  """Runs a command in two processes; returns what each printed."""
  running = start_both(module, arguments, arguments)
  printed = [each.communicate(timeout=300)[0] for each in running]
  for each, text in zip(running, printed, strict=True):
    assert each.returncode == 0, text
  return printed


def best_params(config, workdir: pathlib.Path):
  opened = pipeline_lib.open_pipeline(config, RunDir(workdir))
  mesh = make_mesh(devices=1)
  return pipeline_lib.restore_params(opened, mesh, RunDir(workdir))


def test_two_processes_train_and_evaluate_as_one(
  config_file, tiny_config, tmp_path
):
  # On two devices too: where a text is packed decides what is dropped of it.
  config = tiny_config({"parallel.devices": 2})
  trainer.train(config, tmp_path / "one")
  workdir = tmp_path / "both"
  arguments = ["--config", str(config_file), "--workdir", str(workdir)]
  arguments.append("--config.parallel.devices=0")
  printed = run_both("train", *arguments)
  assert "Trained 8 steps" in printed[0]
  assert "Trained" not in printed[1]
  found, where = best_params(tiny_config(), workdir)
  expected, there = best_params(config, tmp_path / "one")
  assert where["step"] == there["step"]
  # The same rows on the same devices: only the way that sums travel differs.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, expected
  )
  printed = run_both("eval", *arguments)
  assert "distinct outputs" in printed[0]
  results = json.loads((workdir / "results" / "test.json").read_text())
  assert results["decoding"]["n"] == 10


def test_a_refusal_on_one_host_is_what_both_say(config_file, tmp_path):
  arguments = ["--config", str(config_file), "--workdir", str(tmp_path / "run")]
  arguments.append("--config.parallel.devices=0")
  elsewhere = [*arguments, "--config.data.dir=/nowhere"]
  running = start_both("train", arguments, elsewhere)
  for each in running:
    printed = each.communicate(timeout=300)[0]
    assert each.returncode == 2, printed
    last = printed[printed.index("error: ") :]
    assert last.startswith(
      f"error: process 1 of 2 on {socket.gethostname()}: The config 'tiny' "
      "needs "
    )
    assert "/nowhere" in last
