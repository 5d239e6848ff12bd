"""Kills, a file-size limit, other meshes and two processes: own processes.

Each script runs in a fresh interpreter, because it is killed, or because the
number of devices is fixed when JAX starts.
"""

import os
import pathlib
import socket
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.checkpoints import Checkpointer

_ROOT = pathlib.Path(__file__).parents[3]
_SHAPE = (1000, 300)
_ABSTRACT = {
  "step": jax.ShapeDtypeStruct((), jnp.int32),
  "params": {"w": jax.ShapeDtypeStruct(_SHAPE, jnp.float32)},
}

_SAVING = """
import itertools, os, shutil, signal, sys
import jax.numpy as jnp
from unimse_jax.checkpoints import Checkpointer, integrity
from unimse_jax.checkpoints import step_directory

def state(step):
  w = jnp.full((1000, 300), step, jnp.float32)
  return {"step": jnp.int32(step), "params": {"w": w}}

def die(*args, **kwargs):
  os.kill(os.getpid(), signal.SIGKILL)

directory, point = sys.argv[1:]
checkpointer = Checkpointer(directory, keep=1, best=None)
"""

_ENDLESS = """
for step in itertools.count():
  checkpointer.save(step, state(step), {"step": step})
  print(step, flush=True)
"""

# Two whole checkpoints, then a death at the named point of the third save.
_DYING = """
checkpointer.save(1, state(1), {})
checkpointer.save(2, state(2), {})
checkpointer.wait()
print(checkpointer.steps(), flush=True)
seal = integrity.seal

def seal_and_die(*args, **kwargs):
  seal(*args, **kwargs)
  die()

if point == "before the seal":
  integrity.seal = die
elif point == "after the seal":
  integrity.seal = seal_and_die
elif point == "before deleting":
  step_directory.remove_tree = die
elif point == "while replacing":
  integrity.seal = die
replacing = point == "while replacing"
step = 2 if replacing else 3
checkpointer.save(step, state(step), {}, force=replacing)
checkpointer.wait()
"""


def environment(devices=1):
  return {
    **os.environ,
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(_ROOT),
  }


def start(script, *arguments, devices=1):
  return subprocess.Popen(
    [sys.executable, "-c", script, *map(str, arguments)],
    env=environment(devices),
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def finish(process, status=0):
  out, err = process.communicate(timeout=60)
  assert process.returncode == status, err
  return out


def assert_restorable(directory):
  """Restores, checks the values, saves on; returns the step."""
  with Checkpointer(directory, keep=1, best=None) as checkpointer:
    state, _, step = checkpointer.restore(_ABSTRACT)
    assert int(state["step"]) == step
    assert np.all(np.asarray(state["params"]["w"]) == step)
    # As a resumed run does: the very step that the killed one was writing.
    checkpointer.save(step + 1, state, {})
    checkpointer.wait()
    assert checkpointer.steps() == [step + 1]
  assert [path.name for path in directory.iterdir()] == [str(step + 1)]
  return step


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.01, 0.03, 0.1, 0.3])
def test_sigkill_at_any_moment_leaves_a_restorable_directory(tmp_path, delay):
  process = start(_SAVING + _ENDLESS, tmp_path, "-")
  for _ in range(4):
    begun = int(process.stdout.readline())
  time.sleep(delay)
  process.kill()
  out, _ = process.communicate(timeout=60)
  begun = int(out.split()[-1]) if out.split() else begun
  # Saving step n waits for step n - 1: at most the save in flight is lost,
  # and one more may have begun without being printed.
  assert begun - 1 <= assert_restorable(tmp_path) <= begun + 1


@pytest.mark.parametrize(
  ("point", "left"),
  [
    ("before the seal", 2),
    ("after the seal", 2),
    ("before deleting", 3),
    ("while replacing", 2),
  ],
)
def test_sigkill_at_each_stage_of_a_save(tmp_path, point, left):
  finish(start(_SAVING + _DYING, tmp_path, point), status=-9)
  assert assert_restorable(tmp_path) == left


def test_a_file_size_limit_is_survived_and_the_next_save_succeeds(tmp_path):
  # RLIMIT_FSIZE makes real writes fail inside the array writer, as a full
  # disk does; random values, because constant ones are compressed away.
  script = """
import resource, signal, sys
import jax
from unimse_jax.checkpoints import Checkpointer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
state = {"w": jax.random.normal(jax.random.key(0), (1000, 1000))}
checkpointer = Checkpointer(sys.argv[1])
for step, limit in [(1, -1), (2, 100_000), (3, -1)]:
  resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
  checkpointer.save(step, state, {})
  try:
    checkpointer.wait()
  except ValueError as error:
    print(step, type(error).__name__, checkpointer.steps())
print(checkpointer.steps())
"""
  out = finish(start(script, tmp_path))
  assert out.splitlines() == ["2 InputError [1]", "[1, 3]"]


_MESH = """
import sys
import jax, numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from unimse_jax.checkpoints import Checkpointer

directory, shape, mode = sys.argv[1:]
shape = tuple(map(int, shape.split("x")))
devices = np.array(jax.devices()[: np.prod(shape)]).reshape(shape)
mesh = Mesh(devices, ("data", "model"), axis_types=(AxisType.Auto,) * 2)
spec = {"w": PartitionSpec("data", "model"), "b": PartitionSpec("model")}
values = {
  "w": np.arange(64, dtype=np.float32).reshape(8, 8) / 7,
  "b": (np.arange(16) / 3).astype(jax.numpy.bfloat16),
}
placed = {k: NamedSharding(mesh, spec[k]) for k in values}
checkpointer = Checkpointer(directory)
if mode == "save":
  checkpointer.save(0, jax.device_put(values, placed), {})
  checkpointer.wait()
else:
  abstract = {
    k: jax.ShapeDtypeStruct(v.shape, v.dtype, sharding=placed[k])
    for k, v in values.items()
  }
  state = checkpointer.restore(abstract).state
  for k, v in values.items():
    assert state[k].sharding == placed[k], state[k].sharding
    assert np.asarray(state[k]).tobytes() == v.tobytes()
  print("equal")
"""


def test_a_checkpoint_is_restored_onto_other_meshes(tmp_path):
  finish(start(_MESH, tmp_path, "4x2", "save", devices=8))
  for shape, devices in (("2x4", 8), ("2x2", 4), ("1x1", 1)):
    process = start(_MESH, tmp_path, shape, "restore", devices=devices)
    assert finish(process) == "equal\n"


_PROCESSES = """
import pathlib, sys
import jax, numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

port, rank, directory = sys.argv[1:]
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"localhost:{port}", 2, int(rank))
from unimse_jax.checkpoints import Checkpointer

mesh = Mesh(jax.devices(), ("data",), axis_types=(AxisType.Auto,))
placed = NamedSharding(mesh, PartitionSpec("data"))
whole = np.arange(8, dtype=np.float32)

def make(step):
  return {"w": jax.make_array_from_callback(
    (8,), placed, lambda index: whole[index] + step)}

abstract = {"w": jax.ShapeDtypeStruct((8,), np.float32, sharding=placed)}
with Checkpointer(directory) as checkpointer:
  for step in (1, 2, 3):
    checkpointer.save(step, make(step), {"epoch": step})
  checkpointer.wait()
  assert checkpointer.steps() == [2, 3]
  jax.experimental.multihost_utils.sync_global_devices("saved")
  if rank == "1":
    path = next(pathlib.Path(directory, "3").glob("ocdbt.process_1/d/*"))
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
  jax.experimental.multihost_utils.sync_global_devices("damaged")
  state, metadata, step = checkpointer.restore(abstract)
  for shard in state["w"].addressable_shards:
    np.testing.assert_array_equal(shard.data, whole[shard.index] + step)
  print(step, metadata, checkpointer.steps())
"""


def test_two_processes_save_and_fall_back_together(tmp_path):
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  processes = [start(_PROCESSES, port, rank, tmp_path) for rank in (0, 1)]
  outputs = [finish(process) for process in processes]
  # The collectives library may print a line of its own before.
  last = [output.splitlines()[-1] for output in outputs]
  assert last == ["2 {'epoch': 2} [2]"] * 2


# The disk of one process refuses the second of three saves, or the last.
_REFUSING = """
import os, resource, signal, sys
import jax, numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

port, rank, directory, victim, point, last = sys.argv[1:]
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"localhost:{port}", 2, int(rank))
from unimse_jax.checkpoints import Checkpointer, integrity
from unimse_jax.errors import InputError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
mesh = Mesh(jax.devices(), ("data",), axis_types=(AxisType.Auto,))
placed = NamedSharding(mesh, PartitionSpec("data"))
# Constant values are compressed away.
whole = np.random.default_rng(0).random(400_000, np.float32)
state = {"w": jax.make_array_from_callback(
  whole.shape, placed, lambda index: whole[index])}
seal = integrity.seal

def refuse(*args, **kwargs):
  raise OSError(28, "No space left on device")

def hurt(hit):
  if point == "write":
    limit = 100_000 if hit else -1
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
  elif point == "seal":
    integrity.seal = refuse if hit else seal
  elif point == "start" and hit:
    checkpointer._steps.make_room = refuse

with Checkpointer(directory, keep=3) as checkpointer:
  for step in range(1, int(last) + 1):
    hurt(step == 2 and rank == victim)
    checkpointer.save(step, state, {})
    try:
      checkpointer.wait()
    except InputError as error:
      print(error, flush=True)
      if step == int(last):
        raise
  print(checkpointer.steps())
"""


def run_refusing(tmp_path, victim: int, point: str, last: int):
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  arguments = [tmp_path / "run", victim, point, last]
  return [start(_REFUSING, port, rank, *arguments) for rank in (0, 1)]


@pytest.mark.parametrize(
  ("victim", "point", "cause"),
  [(1, "write", "File too large"), (0, "seal", "No space left on device")],
)
def test_a_save_that_fails_on_one_process_is_given_up_by_all(
  tmp_path, victim, point, cause
):
  """Well within the 20 minutes that Orbax waits for a process."""
  for process in run_refusing(tmp_path, victim, point, last=3):
    told, steps = finish(process).splitlines()[-2:]
    assert "expected to write checkpoint 2 to " in told
    assert cause in told
    assert steps == "[1, 3]"
  assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
    "1",
    "3",
  ]


def test_the_last_save_failing_on_one_process_fails_all(tmp_path):
  for process in run_refusing(tmp_path, 1, "write", last=2):
    told = finish(process, status=1).splitlines()[-1]
    assert "expected to write checkpoint 2 to " in told
    assert "File too large" in told
    assert "(the complete steps are [1])" in told


def test_a_save_that_one_process_cannot_start_is_its_refusal(tmp_path):
  """The others wait in a collective: `parallel.watch` ends them."""
  first, other = run_refusing(tmp_path, 0, "start", last=3)
  try:
    while "errors.InputError: " not in (line := first.stderr.readline()):
      assert line
  finally:
    for process in (first, other):
      process.kill()
      process.communicate()
  assert "expected to write checkpoint 2 to " in line
  assert "No space left on device" in line
