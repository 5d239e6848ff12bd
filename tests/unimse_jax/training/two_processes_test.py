"""Two real processes train one model, as one process does."""

import json
import os
import pathlib
import socket
import subprocess
import sys

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


def run_both(module: str, *arguments: str) -> list[str]:
  """Runs a command in two processes; returns what each printed."""
  coordinator = f"localhost:{free_port()}"
  running = [
    subprocess.Popen(
      [sys.executable, "-c", _SCRIPT, module, *arguments],
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
    for process in range(2)
  ]
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
