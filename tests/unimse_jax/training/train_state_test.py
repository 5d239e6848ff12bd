"""The moving average of the parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.rundir import RunDir
from unimse_jax.training import trainer
from unimse_jax.training.train_state import create, move_average


def test_without_an_average_nothing_is_kept():
  state = create({"w": jnp.ones(2)}, optax.sgd(1.0))
  assert state.average == {}
  assert state.evaluated is state.params
  assert move_average({}, state.params, state.step, 0.0) == {}


def test_the_average_starts_as_the_parameters_and_follows_them():
  state = create({"w": jnp.ones(2)}, optax.sgd(1.0), averaged=True)
  assert state.evaluated is state.average
  average, expected = state.average, 1.0
  for step, value in enumerate([2.0, 0.0, 4.0]):
    params = {"w": jnp.full(2, value)}
    average = move_average(average, params, jnp.int32(step), 0.15)
    kept = min(0.15, (1 + step) / (10 + step))
    expected = kept * expected + (1 - kept) * value
    np.testing.assert_allclose(average["w"], expected, rtol=1e-6)
  assert kept == 0.15  # the first steps had less


def test_it_is_what_is_evaluated_and_changes_no_training(
  straight, tiny_config, tmp_path
):
  """Eight steps with an average and without, of the same seed."""
  config = tiny_config({"train.average": 0.9})
  trainer.train(config, tmp_path)
  mesh = config_mesh(config)
  opened = pipeline_lib.open_pipeline(config, RunDir(tmp_path))
  places = opened.abstract_params(mesh)

  def read(workdir, subtree):
    with RunDir(workdir).open_checkpoints(read_only=True) as checkpoints:
      return checkpoints.restore(places, 8, subtree=subtree).state

  plain, own = read(straight, "params"), read(tmp_path, "params")
  jax.tree.map(np.testing.assert_array_equal, plain, own)
  average = read(tmp_path, "average")
  found, _ = pipeline_lib.restore_params(opened, mesh, RunDir(tmp_path), 8)
  jax.tree.map(np.testing.assert_array_equal, dict(found), dict(average))
  differs = jax.tree.map(lambda a, b: bool((a != b).any()), average, own)
  assert sum(jax.tree.leaves(differs)) > len(jax.tree.leaves(differs)) / 2


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_a_step_keeps_that_share_in_the_long_run(decay):
  before, after = {"w": jnp.zeros(1)}, {"w": jnp.ones(1)}
  moved = move_average(before, after, jnp.int32(10_000), decay)
  np.testing.assert_allclose(moved["w"], 1 - decay, rtol=1e-6)
