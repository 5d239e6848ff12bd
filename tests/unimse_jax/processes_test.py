"""Children that end with their parent, and memory that stays."""

import os
import pathlib
import platform
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
  # The child writes to the same pipe, which ends with the last of the two; on
  # a busy machine it may be the first to write.
  said = {parent.stdout.readline() for _ in range(2)}
  assert "ready\n" in said
  (child,) = map(int, said - {"ready\n"})
  os.kill(parent.pid, signal.SIGKILL)
  parent.wait()
  assert parent.stdout.read() == ""
  parent.stdout.close()
  assert not pathlib.Path(f"/proc/{child}/cmdline").exists() or not (
    pathlib.Path(f"/proc/{child}/cmdline").read_bytes()
  )


_REPEATED = """
import resource, sys
from unimse_jax import processes
if sys.argv[1] == "kept":
  processes.keep_freed_memory()
import jax
import jax.numpy as jnp

def step(x):
  return (x[:, None] * x) @ jnp.ones((2**12, 8))  # 64 MiB in between

compiled = jax.jit(step).lower(jnp.ones(2**12)).compile()
size = compiled.memory_analysis().temp_size_in_bytes
touched = 0  # steps that touched their temporary memory first
for _ in range(int(sys.argv[2])):
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  jax.block_until_ready(compiled(jnp.ones(2**12)))
  faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
  touched += faults * 2**12 > size // 2  # pages of 4 KiB
print(size, touched)
"""


@pytest.mark.skipif(
  platform.libc_ver()[0] != "glibc", reason="glibc alone offers it"
)
def test_few_steps_touch_their_temporary_memory_first():
  steps, touched = 200, {}
  for kind in ("given_back", "kept"):
    done = subprocess.run(
      [sys.executable, "-c", _REPEATED, kind, str(steps)],
      env={**os.environ, "PYTHONPATH": str(_ROOT), "JAX_PLATFORMS": "cpu"},
      capture_output=True,
      text=True,
      check=True,
    )
    size, touched[kind] = map(int, done.stdout.split())
    assert size >= 2**26
  assert touched["given_back"] >= 0.95 * steps
  # 2 to 11 of 200 in 36 processes: some blocks are freed with a few bytes
  # before them still in use, and then do not fit the next of their size.
  assert touched["kept"] < 0.25 * steps
