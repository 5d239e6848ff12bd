"""Trainings of several real processes, one of which is killed or stopped."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from tests.unimse_jax.training.trainer_test import last_state

_ROOT = pathlib.Path(__file__).parents[3]
# `train` as the command runs it, with one CPU device a process; the process
# that the variable FAULT names is hit by a signal at the point it names.
_SCRIPT = """
import os, runpy, signal, sys
import jax
jax.config.update("jax_num_cpu_devices", 1)
jax.config.update("jax_disable_most_optimizations", True)
from unimse_jax.checkpoints import integrity
from unimse_jax.checkpoints.checkpointer import Checkpointer
from unimse_jax.prediction.labeller import Labeller
from unimse_jax.training.health import Health

def hit(owner, name, number=signal.SIGKILL, first=False):
  unhurt = getattr(owner, name)
  def hurt(*args, **kwargs):
    result = None if first else unhurt(*args, **kwargs)
    os.kill(os.getpid(), number)
    return result
  setattr(owner, name, hurt)

process, point = os.environ.get("FAULT", "none none").split()
if process == os.environ["UNIMSE_PROCESS"]:
  if point == "step":
    hit(Health, "add")
  if point == "stop":
    hit(Health, "add", signal.SIGTERM)
  if point == "save":
    hit(Checkpointer, "save")
  if point == "seal":
    hit(integrity, "seal", first=True)
  if point == "evaluation":
    hit(Labeller, "label", first=True)
runpy.run_module("unimse_jax.train", run_name="__main__")
"""


def train(
  count: int, workdir: pathlib.Path, config_file, fault: str = ""
) -> list[tuple[int, str]]:
  """Trains in `count` processes; exit status and stderr of each."""
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    coordinator = f"localhost:{probe.getsockname()[1]}"
  variables = {"COORDINATOR": coordinator, "PROCESSES": str(count)}
  running = [
    subprocess.Popen(
      [sys.executable, "-c", _SCRIPT, "--config", str(config_file)]
      + ["--workdir", str(workdir), "--config.parallel.devices=0"],
      cwd=_ROOT,
      env=os.environ
      | ({"FAULT": fault} if fault else {})
      | {f"UNIMSE_{name}": value for name, value in variables.items()}
      | {"UNIMSE_PROCESS": str(process)},
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
    )
    for process in range(count)
  ]
  # A process that has ended must not leave the others waiting for long.
  texts, since = [], None
  for each in running:
    texts.append(each.communicate(timeout=600)[1])
    since = since or time.monotonic()
  assert time.monotonic() - since < 20
  return [
    (each.returncode, text) for each, text in zip(running, texts, strict=True)
  ]


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_after_any_loss_the_run_goes_on_and_ends_bit_identical(
  count, tiny_config, config_file, tmp_path
):
  faults = [(1, "step"), (0, "seal"), (1, "save"), (count - 1, "evaluation")]
  for process, point in faults:
    ends = train(count, tmp_path / "hit", config_file, f"{process} {point}")
    sentence = (
      f"error: process {process} of {count} on {socket.gethostname()} was lost "
      "(killed by SIGKILL). Start the same command again on all hosts: a "
      "training goes on from its last checkpoint.\n"
    )
    for status, text in ends:
      assert (status, text.endswith(sentence)) == (1, True), text
  ends = train(count, tmp_path / "hit", config_file, "1 stop")
  assert [status for status, _ in ends] == [143] * count, ends
  stopped = last_state(tiny_config(), tmp_path / "hit")[0]
  assert stopped < 8
  ends = train(count, tmp_path / "hit", config_file)
  (start,) = set(re.findall(r"Resuming from step (\d+)", ends[0][1]))
  assert int(start) == stopped
  assert [status for status, _ in ends] == [0] * count, ends
  ends = train(count, tmp_path / "straight", config_file)
  assert [status for status, _ in ends] == [0] * count, ends
  expected = last_state(tiny_config(), tmp_path / "straight")
  found = last_state(tiny_config(), tmp_path / "hit")
  assert found[0] == expected[0] == 8
  assert found[2] == expected[2]
  jax.tree.map(np.testing.assert_array_equal, found[1], expected[1])
  content = [
    (tmp_path / name / "metrics.jsonl").read_bytes()
    for name in ("hit", "straight")
  ]
  assert content[0] == content[1]
