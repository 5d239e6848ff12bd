"""Children that end with their parent."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
_CHILD = (
  "import time; from unimse_jax import processes; "
  "processes.stop_with_parent(); print('ready', flush=True); time.sleep(60)"
)
_PARENT = """
import subprocess, sys
from unimse_jax import processes
child = subprocess.Popen(
  [sys.executable, "-c", sys.argv[1]], env=processes.child_environment()
)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone offers it")
def test_a_child_gets_sigterm_when_its_parent_is_killed():
  parent = subprocess.Popen(
    [sys.executable, "-c", _PARENT, _CHILD],
    env={**os.environ, "PYTHONPATH": str(_ROOT)},
    stdout=subprocess.PIPE,
    text=True,
  )
  # The child writes to the same pipe, which ends with the last of the two.
  child = int(parent.stdout.readline())
  assert parent.stdout.readline() == "ready\n"
  os.kill(parent.pid, signal.SIGKILL)
  parent.wait()
  assert parent.stdout.read() == ""
  parent.stdout.close()
  assert not pathlib.Path(f"/proc/{child}/cmdline").exists() or not (
    pathlib.Path(f"/proc/{child}/cmdline").read_bytes()
  )
