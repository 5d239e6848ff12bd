"""Checkpoints in a bucket, which has neither directories nor renames."""

import os
import pathlib
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unimse_jax.checkpoints import Checkpointer, integrity
from unimse_jax.errors import InputError

_ROOT = pathlib.Path(__file__).parents[3]
_SHAPE = (300, 100)
_ABSTRACT = {
  "step": jax.ShapeDtypeStruct((), jnp.int32),
  "w": jax.ShapeDtypeStruct(_SHAPE, jnp.float32),
}

_SAVING = """
import os, signal, sys
import jax.numpy as jnp
import orbax.checkpoint as ocp
from unimse_jax.checkpoints import Checkpointer, integrity

def state(step):
  return {"step": jnp.int32(step), "w": jnp.full((300, 100), step, jnp.float32)}

def die(*args, **kwargs):
  os.kill(os.getpid(), signal.SIGKILL)

directory, point = sys.argv[1:]
checkpointer = Checkpointer(directory, keep=1, best=None)
checkpointer.save(1, state(1), {"note": "one"})
checkpointer.wait()
print(checkpointer.steps(), flush=True)
seal = integrity.seal

def seal_and_die(*args, **kwargs):
  seal(*args, **kwargs)
  die()

if point == "before the seal":
  integrity.seal = die
elif point == "before the commit":
  integrity.seal = seal_and_die
checkpointer.save(2, state(2), {"note": "two"})
if point == "while arrays are written":
  die()
checkpointer.wait()
print(checkpointer.steps(), flush=True)
"""


def state(step):
  return {"step": jnp.int32(step), "w": jnp.full(_SHAPE, step, jnp.float32)}


def names(directory) -> list[str]:
  return sorted(path.name for path in directory.iterdir())


def test_a_state_comes_back_bit_for_bit_and_old_steps_go(bucket):
  directory = bucket / "run/checkpoints"
  with Checkpointer(directory, keep=2, best=("f1", "max")) as checkpointer:
    for step, f1 in ((1, 0.3), (2, 0.9), (3, 0.5), (4, 0.4)):
      checkpointer.save(step, state(step), {"epoch": step}, {"f1": f1})
    checkpointer.wait()
    assert checkpointer.steps() == [2, 3, 4]
    assert names(directory) == ["2", "3", "4"]
    assert checkpointer.best_step() == 2
  with Checkpointer(directory) as again:
    restored, metadata, step = again.restore(_ABSTRACT)
    assert (metadata, step) == ({"epoch": 4}, 4)
    assert np.asarray(restored["w"]).tobytes() == (
      np.full(_SHAPE, 4, np.float32).tobytes()
    )
    assert float(again.restore(_ABSTRACT, 2).state["w"][0, 0]) == 2


@pytest.mark.parametrize(
  "point",
  ["while arrays are written", "before the seal", "before the commit"],
)
def test_sigkill_during_a_save_leaves_the_step_before(bucket, point):
  directory = bucket / "run/checkpoints"
  out = subprocess.run(
    [sys.executable, "-c", _SAVING, str(directory), point],
    env=os.environ | {"PYTHONPATH": str(_ROOT), "JAX_PLATFORMS": "cpu"},
    capture_output=True,
    text=True,
    timeout=120,
    check=False,
  )
  assert out.returncode == -signal.SIGKILL, out.stderr
  assert out.stdout == "[1]\n"
  with Checkpointer(directory, read_only=True) as reader:
    assert reader.steps() == [1]
  with Checkpointer(directory, keep=1, best=None) as checkpointer:
    restored = checkpointer.restore(_ABSTRACT)
    assert (restored.step, restored.metadata) == (1, {"note": "one"})
    assert np.all(np.asarray(restored.state["w"]) == 1)
    # As a resumed run does: the very step that the killed one was writing.
    checkpointer.save(2, state(2), {})
    checkpointer.wait()
    assert np.all(np.asarray(checkpointer.restore(_ABSTRACT).state["w"]) == 2)
  assert [name for name in names(directory) if name.isdecimal()] == ["2"]


def test_a_changed_object_is_found_and_the_step_before_is_taken(bucket):
  directory = bucket / "checkpoints"
  with Checkpointer(directory) as checkpointer:
    for step in (1, 2):
      checkpointer.save(step, state(step), {})
    checkpointer.wait()
    files = [p for p in (directory / "2").rglob("*") if "/d/" in str(p)]
    largest = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(bytes(data))
    assert checkpointer.restore(_ABSTRACT).step == 1
    assert names(directory) == ["1", "2.damaged"]
    with pytest.raises(InputError, match=r"step 2 in gs://.*\[1\]"):
      checkpointer.restore(_ABSTRACT, step=2)


def test_a_step_is_replaced_only_when_its_successor_is_whole(bucket):
  directory = bucket / "checkpoints"
  with Checkpointer(directory) as checkpointer:
    checkpointer.save(5, state(1), {})
    checkpointer.wait()
    checkpointer.save(5, state(2), {}, force=True)
    checkpointer.wait()
    assert names(directory) == ["5"]
    assert np.all(np.asarray(checkpointer.restore(_ABSTRACT).state["w"]) == 2)


def test_the_older_one_comes_back_if_its_successor_was_killed(bucket):
  directory = bucket / "checkpoints"
  with Checkpointer(directory) as checkpointer:
    checkpointer.save(5, state(1), {})
    checkpointer.wait()
    checkpointer._steps.make_room(5)
    assert names(directory) == ["5.replaced"]
  (directory / "5/_METADATA").write_bytes(b"half")
  with Checkpointer(directory) as checkpointer:
    assert names(directory) == ["5"]
    assert np.all(np.asarray(checkpointer.restore(_ABSTRACT).state["w"]) == 1)


def test_a_server_that_is_gone_for_a_while_loses_one_save(
  bucket, bucket_server, monkeypatch
):
  """What could not be written is told, and the next save follows."""
  directory = bucket / "checkpoints"
  with Checkpointer(directory) as checkpointer:
    checkpointer.save(1, state(1), {})
    checkpointer.wait()

    def refuse(*_, **__):
      raise OSError("503 Service Unavailable")

    with monkeypatch.context() as broken:
      broken.setattr(integrity, "seal", refuse)
      checkpointer.save(2, state(2), {})
      with pytest.raises(InputError, match="503 Service Unavailable"):
        checkpointer.wait()
    assert checkpointer.steps() == [1]
    checkpointer.save(3, state(3), {})
    checkpointer.wait()
    assert checkpointer.steps() == [1, 3]
    assert names(directory) == ["1", "3"]
