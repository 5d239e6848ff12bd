"""Launch variables that do not fit, and others that do not come.

Every end is one sentence and exit status 2, whatever jax would do.
"""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import pytest

from unimse_jax.errors import InputError
from unimse_jax.parallel import launch

_ROOT = pathlib.Path(__file__).parents[3]
_BENCHMARK = ["-m", "unimse_jax.benchmark", "--config", "scratch"]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
  for name in ("COORDINATOR", "PROCESSES", "PROCESS", "TIMEOUT"):
    monkeypatch.delenv(f"UNIMSE_{name}", raising=False)


@pytest.mark.parametrize(
  ("variables", "message"),
  [
    ({"PROCESSES": "2"}, "UNIMSE_COORDINATOR beside UNIMSE_PROCESSES"),
    ({"TIMEOUT": "2"}, "UNIMSE_COORDINATOR beside UNIMSE_TIMEOUT"),
    ({"COORDINATOR": "a:1", "PROCESS": "0"}, "UNIMSE_PROCESSES: .* found ''"),
    ({"COORDINATOR": "a", "PROCESSES": "2", "PROCESS": "0"}, "host:port"),
    ({"COORDINATOR": "a:b", "PROCESSES": "2", "PROCESS": "0"}, "host:port"),
    ({"COORDINATOR": "a:0", "PROCESSES": "2", "PROCESS": "0"}, "host:port"),
    ({"COORDINATOR": "a:65536", "PROCESSES": "2", "PROCESS": "0"}, "host:port"),
    (
      {"COORDINATOR": "a:1", "PROCESSES": "two", "PROCESS": "0"},
      "a number .* found 'two'",
    ),
    (
      {"COORDINATOR": "a:1", "PROCESSES": "2", "PROCESS": "2"},
      "0 to UNIMSE_PROCESSES - 1 = 1, found 2",
    ),
    (
      {"COORDINATOR": "a:1", "PROCESSES": "2", "PROCESS": "-1"},
      "found '-1'",
    ),
    (
      {"COORDINATOR": "a:1", "PROCESSES": "2", "PROCESS": "1"}
      | {"TIMEOUT": "1m"},
      "UNIMSE_TIMEOUT: expected a number .* found '1m'",
    ),
    ({"COORDINATOR": "auto"}, "auto: expected a Cloud TPU pod, Slurm"),
  ],
)
def test_launch_variables_that_do_not_fit_are_refused(
  monkeypatch, variables, message
):
  for name, value in variables.items():
    monkeypatch.setenv(f"UNIMSE_{name}", value)
  with pytest.raises(InputError, match=message):
    launch.join()


def of_slurm(process: int, local: int, nodes: int, tasks: int) -> dict:
  """What srun sets for one of the tasks of a step."""
  variables = {
    "JOB_ID": 65537,
    "STEP_NODELIST": "node[7-9]",
    "STEP_NUM_NODES": nodes,
    "STEP_NUM_TASKS": tasks,
    "NTASKS": tasks,
    "PROCID": process,
    "LOCALID": local,
  }
  return {f"SLURM_{name}": str(value) for name, value in variables.items()} | {
    "UNIMSE_COORDINATOR": "auto",
    "UNIMSE_TIMEOUT": "0",
  }


def of_open_mpi(process: int, local: int, beside: int, count: int) -> dict:
  return {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1:34911",
    "OMPI_COMM_WORLD_RANK": str(process),
    "OMPI_COMM_WORLD_SIZE": str(count),
    "OMPI_COMM_WORLD_LOCAL_RANK": str(local),
    "OMPI_COMM_WORLD_LOCAL_SIZE": str(beside),
    "UNIMSE_COORDINATOR": "auto",
    "UNIMSE_TIMEOUT": "0",
  }


@pytest.fixture
def cluster(monkeypatch):
  """Sets variables of a cluster; what `join` itself sets goes afterwards."""
  monkeypatch.setenv("JAX_LOCAL_DEVICE_IDS", "")
  del os.environ["JAX_LOCAL_DEVICE_IDS"]
  monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

  def set_all(variables):
    for name, value in variables.items():
      monkeypatch.setenv(name, value)

  return set_all


def test_slurm_is_found(cluster):
  cluster(of_slurm(process=2, local=0, nodes=3, tasks=3))
  expected = "=node7:61441: process 2 of 3 waited 0 s for process 0"
  with pytest.raises(InputError, match=expected):
    launch.join()


@pytest.mark.parametrize(
  ("variables", "card"),
  [
    (of_slurm(process=1, local=0, nodes=2, tasks=2), None),
    (of_slurm(process=5, local=1, nodes=2, tasks=8), "1"),
    (
      of_slurm(process=5, local=1, nodes=2, tasks=8)
      | {"CUDA_VISIBLE_DEVICES": "0,1,2,3"},
      "1",
    ),
    (
      of_slurm(process=5, local=1, nodes=2, tasks=8)
      | {"CUDA_VISIBLE_DEVICES": "1"},
      None,
    ),
    (of_open_mpi(process=1, local=0, beside=1, count=2), None),
    (of_open_mpi(process=5, local=1, beside=4, count=8), "1"),
  ],
)
def test_a_process_that_is_alone_on_its_machine_has_all_cards(
  cluster, variables, card
):
  cluster(variables)
  with pytest.raises(InputError, match="waited 0 s for process 0"):
    launch.join()
  assert os.environ.get("JAX_LOCAL_DEVICE_IDS") == card


def test_jax_takes_all_cards_of_a_slurm_node_and_not_the_first(cluster):
  cluster(of_slurm(process=0, local=0, nodes=1, tasks=1))
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
  script = (
    "from unimse_jax.parallel import launch; launch.join(); import jax; "
    "print(jax.process_count(), jax.config.values['jax_cuda_visible_devices'])"
  )
  done = subprocess.run(
    [sys.executable, "-c", script],
    cwd=_ROOT,
    env=os.environ
    | {"SLURM_STEP_NODELIST": "localhost", "JAX_COORDINATOR_PORT": str(port)},
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert done.stdout == "1 all\n", done.stderr


@pytest.mark.parametrize(
  ("process", "expected"),
  [
    (
      0,
      r"error: UNIMSE_COORDINATOR=localhost:\d+: process 0 waited 1 s for all "
      "2 processes, and 1 did not come. .*",
    ),
    (
      1,
      r"error: UNIMSE_COORDINATOR=localhost:\d+: process 1 of 2 waited 1 s for "
      "process 0, found: .*refused. .*",
    ),
  ],
)
def test_a_lonely_process_says_in_one_sentence_whom_it_waited_for(
  process, expected
):
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
  variables = {
    "COORDINATOR": f"localhost:{port}",
    "PROCESSES": "2",
    "PROCESS": str(process),
    "TIMEOUT": "1",
  }
  done = subprocess.run(
    [sys.executable, *_BENCHMARK],
    cwd=_ROOT,
    env=os.environ | {f"UNIMSE_{k}": v for k, v in variables.items()},
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert done.returncode == 2
  assert re.fullmatch(expected + "\n", done.stderr), done.stderr


def test_the_wait_ends_when_it_is_said_to(monkeypatch):
  monkeypatch.setenv("UNIMSE_COORDINATOR", "localhost:9")
  monkeypatch.setenv("UNIMSE_PROCESSES", "2")
  monkeypatch.setenv("UNIMSE_PROCESS", "1")
  monkeypatch.setenv("UNIMSE_TIMEOUT", "1")
  start = time.monotonic()
  with pytest.raises(InputError, match="waited 1 s"):
    launch.join()
  assert 1 <= time.monotonic() - start < 5


_SLEEPS = """
import sys, time
from unimse_jax.parallel import launch

launch.join()
import jax

print(jax.process_count(), flush=True)
time.sleep(600)
"""


def test_a_signal_ends_what_is_not_preemptible_though_jax_listens():
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
  started = [
    subprocess.Popen(
      [sys.executable, "-c", _SLEEPS],
      env=os.environ
      | {"PYTHONPATH": str(_ROOT), "JAX_PLATFORMS": "cpu"}
      | {"UNIMSE_COORDINATOR": f"localhost:{port}"}
      | {"UNIMSE_PROCESSES": "2", "UNIMSE_PROCESS": str(process)},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for process in range(2)
  ]
  for each in started:
    # The collectives library prints a line of its own before.
    while each.stdout.readline() != "2\n":
      assert each.poll() is None
  started[1].terminate()
  for each in started:
    _, text = each.communicate(timeout=60)
    assert each.returncode == 143
    assert text.endswith(
      f"error: process 1 of 2 on {socket.gethostname()} was stopped by a "
      "signal.\n"
    )
