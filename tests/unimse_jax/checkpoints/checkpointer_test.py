"""Round trips, retention, mismatches and failed saves, in one process."""

import errno
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from unimse_jax.checkpoints import Checkpointer, integrity
from unimse_jax.errors import InputError


def make_state(value=0):
  """A state with every kind of array that training keeps."""
  params = {
    "dense": {"kernel": jnp.arange(6.0).reshape(2, 3) / 7 + value},
    "scale": (jnp.arange(5) / 3 + value).astype(jnp.bfloat16),
  }
  return {
    "step": jnp.int32(value),
    "params": params,
    "opt_state": optax.adamw(1e-3).init(params),
    "key": jax.random.key_data(jax.random.key(value + 2**31)),
    "mask": jnp.array([True, False]),
  }


def abstract(state):
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)


def assert_bits_equal(left, right):
  assert jax.tree.structure(left) == jax.tree.structure(right)
  for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
    assert a.dtype == b.dtype
    # Bytes, not values: NaN payloads and signed zeros count.
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def flip_a_byte(checkpointer, step):
  """Flips one bit in the largest file of a step: the array data."""
  files = list((checkpointer.directory / str(step)).rglob("*"))
  path = max((p for p in files if p.is_file()), key=lambda p: p.stat().st_size)
  if path.name == integrity.MANIFEST_NAME:
    path = next(p for p in files if p.parent.name == "d")
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def save_steps(checkpointer, *steps):
  for step in steps:
    checkpointer.save(step, make_state(step), {"epoch": step})
  checkpointer.wait()


@pytest.fixture
def checkpointer(tmp_path):
  with Checkpointer(tmp_path / "checkpoints", keep=3) as checkpointer:
    yield checkpointer


def test_round_trip_is_bit_identical(checkpointer):
  state = make_state(3)
  state["params"]["odd"] = jnp.array([jnp.nan, -jnp.inf, -0.0, 1e-40])
  checkpointer.save(3, state, {"epoch": 1, "order": [0, None, "x"]})
  restored, metadata, step = checkpointer.restore(abstract(state))
  assert_bits_equal(restored, state)
  assert (metadata, step) == ({"epoch": 1, "order": [0, None, "x"]}, 3)


def test_a_save_is_a_snapshot_also_when_buffers_are_donated(checkpointer):
  @jax.jit
  def fill(value):
    return jnp.full((1000, 1000), value)

  advance = jax.jit(lambda x: x + 1, donate_argnums=0)
  array, host = fill(1.0), np.ones(1_000_000, np.float32)
  checkpointer.save(1, {"a": array, "host": host}, {})
  for _ in range(20):
    array = advance(array)
    host += 1
  shapes = {
    "a": jax.ShapeDtypeStruct((1000, 1000), jnp.float32),
    "host": jax.ShapeDtypeStruct((1_000_000,), jnp.float32),
  }
  restored = checkpointer.restore(shapes).state
  assert np.all(np.asarray(restored["a"]) == 1)
  assert np.all(np.asarray(restored["host"]) == 1)


def test_a_subtree_is_restored_alone(checkpointer):
  state = make_state(4)
  checkpointer.save(4, state, {})
  params = abstract(state["params"])
  restored, _, step = checkpointer.restore(params, subtree="params")
  assert_bits_equal(restored, state["params"])
  assert step == 4


def test_mismatches_are_listed_and_nothing_is_cast(checkpointer):
  checkpointer.save(1, make_state(), {})
  wanted = abstract(make_state())
  wanted["params"]["dense"]["kernel"] = jax.ShapeDtypeStruct((2, 4), "float32")
  wanted["params"]["scale"] = jax.ShapeDtypeStruct((5,), jnp.float32)
  wanted["params"]["new"] = jax.ShapeDtypeStruct((1,), jnp.float32)
  del wanted["mask"]
  with pytest.raises(InputError) as error:
    checkpointer.restore(wanted)
  assert [line.strip() for line in str(error.value).splitlines()[1:]] == [
    "mask: expected nothing, found bool[2]",
    "params/dense/kernel: expected float32[2, 4], found float32[2, 3]",
    "params/new: expected float32[1], found nothing",
    "params/scale: expected float32[5], found bfloat16[5]",
  ]


def test_the_latest_and_the_best_steps_stay(tmp_path):
  scores = {1: 0.1, 2: 0.9, 3: 0.2, 4: 0.3, 5: None, 6: float("nan")}
  with Checkpointer(tmp_path, keep=2, best=("f1", "max")) as checkpointer:
    for step, score in scores.items():
      metrics = None if score is None else {"f1": score}
      checkpointer.save(step, make_state(step), {}, metrics)
    checkpointer.wait()
    assert checkpointer.steps() == [2, 5, 6]
    assert checkpointer.best_step() == 2
    assert checkpointer.latest_step() == 6
    assert checkpointer.metrics(2) == {"f1": 0.9}
    restored = checkpointer.restore(abstract(make_state()), step=2)
    assert_bits_equal(restored.state, make_state(2))


def test_without_best_only_the_latest_stay(tmp_path):
  with Checkpointer(tmp_path, keep=1, best=None) as checkpointer:
    save_steps(checkpointer, 1, 2, 3)
    assert checkpointer.steps() == [3]
    assert checkpointer.best_step() is None


def test_a_flipped_byte_makes_it_fall_back(checkpointer, caplog):
  save_steps(checkpointer, 1, 2)
  flip_a_byte(checkpointer, 2)
  restored, metadata, step = checkpointer.restore(abstract(make_state()))
  assert (metadata, step) == ({"epoch": 1}, 1)
  assert_bits_equal(restored, make_state(1))
  assert "checkpoint 2" in caplog.text
  assert "its content changed" in caplog.text
  # Set aside, so that training can come to step 2 and save it again.
  assert checkpointer.steps() == [1]
  assert (checkpointer.directory / "2.damaged").is_dir()
  save_steps(checkpointer, 2)
  assert checkpointer.restore(abstract(make_state())).step == 2


def test_a_lost_manifest_or_an_empty_directory_is_no_checkpoint(checkpointer):
  save_steps(checkpointer, 1, 2)
  (checkpointer.directory / "2" / integrity.MANIFEST_NAME).unlink()
  (checkpointer.directory / "4").mkdir()
  assert checkpointer.latest_step() == 1
  assert checkpointer.restore(abstract(make_state())).step == 1
  save_steps(Checkpointer(checkpointer.directory), 4)
  assert checkpointer.latest_step() == 4


def test_a_damaged_step_asked_for_by_number_is_refused(checkpointer):
  save_steps(checkpointer, 1, 2)
  flip_a_byte(checkpointer, 1)
  with pytest.raises(InputError, match="expected step 1 whole"):
    checkpointer.restore(abstract(make_state()), step=1)
  with pytest.raises(InputError, match=r"found the steps \[1, 2\]"):
    checkpointer.restore(abstract(make_state()), step=9)


def test_nothing_whole_left_is_refused(checkpointer):
  with pytest.raises(InputError, match="expected a whole checkpoint"):
    checkpointer.restore(abstract(make_state()))
  save_steps(checkpointer, 1)
  flip_a_byte(checkpointer, 1)
  with pytest.raises(InputError, match="found none"):
    checkpointer.restore(abstract(make_state()))


def test_reading_only_touches_nothing(checkpointer):
  save_steps(checkpointer, 1, 2)
  flip_a_byte(checkpointer, 2)
  (checkpointer.directory / "3.orbax-checkpoint-tmp").mkdir()
  before = sorted(checkpointer.directory.rglob("*"))
  with Checkpointer(checkpointer.directory, read_only=True) as reader:
    assert reader.restore(abstract(make_state())).step == 1
    with pytest.raises(ValueError, match="reading only"):
      reader.save(5, make_state(), {})
  assert sorted(checkpointer.directory.rglob("*")) == before


def test_an_existing_step_is_replaced_only_by_force(checkpointer):
  save_steps(checkpointer, 1)
  with pytest.raises(ValueError, match="step 1 is already"):
    checkpointer.save(1, make_state(5), {})
  checkpointer.save(1, make_state(6), {"epoch": 6}, force=True)
  restored, metadata, _ = checkpointer.restore(abstract(make_state()))
  assert metadata == {"epoch": 6}
  assert_bits_equal(restored, make_state(6))
  assert [p.name for p in checkpointer.directory.iterdir()] == ["1"]


def test_metadata_that_is_not_json_is_refused_at_once(checkpointer):
  with pytest.raises(TypeError, match="not JSON serializable"):
    checkpointer.save(1, make_state(), {"x": object()})
  assert checkpointer.steps() == []


@pytest.fixture
def full_disk(monkeypatch):
  """Makes the next `full_disk["left"]` seals fail as a full disk does."""
  failures = {"left": 1}
  seal = integrity.seal

  def fail_or_seal(*args, **kwargs):
    if failures["left"]:
      failures["left"] -= 1
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    seal(*args, **kwargs)

  monkeypatch.setattr(integrity, "seal", fail_or_seal)
  return failures


def test_a_failed_save_is_logged_and_the_next_one_counts(
  checkpointer, full_disk, caplog
):
  checkpointer.save(1, make_state(1), {})
  checkpointer.save(2, make_state(2), {})
  checkpointer.wait()
  assert "checkpoint 1 could not be written" in caplog.text
  assert "Traceback" not in caplog.text
  assert [p.name for p in checkpointer.directory.iterdir()] == ["2"]


def test_the_last_save_failing_fails_the_run(tmp_path, full_disk):
  full_disk["left"] = 0
  with (
    pytest.raises(InputError, match=r"checkpoint 2 .*No space left.*\[1\]"),
    Checkpointer(tmp_path) as checkpointer,
  ):
    save_steps(checkpointer, 1)
    full_disk["left"] = 1
    checkpointer.save(2, make_state(), {})
  assert [p.name for p in tmp_path.iterdir()] == ["1"]


def test_a_failed_replacement_leaves_the_old_step(checkpointer, full_disk):
  full_disk["left"] = 0
  save_steps(checkpointer, 1)
  full_disk["left"] = 1
  checkpointer.save(1, make_state(9), {}, force=True)
  with pytest.raises(InputError, match="No space left"):
    checkpointer.wait()
  restored = checkpointer.restore(abstract(make_state())).state
  assert_bits_equal(restored, make_state(1))


def test_an_error_on_its_way_out_is_not_hidden_by_a_failed_save(
  tmp_path, full_disk
):
  with (
    pytest.raises(ZeroDivisionError),
    Checkpointer(tmp_path) as checkpointer,
  ):
    checkpointer.save(1, make_state(), {})
    raise ZeroDivisionError


@pytest.mark.parametrize("arguments", [{"keep": 0}, {"best": ("f1", "high")}])
def test_wrong_options_are_refused(tmp_path, arguments):
  with pytest.raises(ValueError, match="expected"):
    Checkpointer(tmp_path, **arguments)
