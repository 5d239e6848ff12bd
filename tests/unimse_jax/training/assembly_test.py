"""The mesh and the batch that a config asks for, or one clear refusal."""

import dataclasses

import jax
import pytest

from configs import scratch
from unimse_jax import config as config_lib
from unimse_jax.errors import InputError
from unimse_jax.training import assembly


def config(batch_size=64, microbatches=1, **parallel):
  values = config_lib.validate(scratch.get_config().to_dict())
  train = dataclasses.replace(
    values.train, batch_size=batch_size, microbatches=microbatches
  )
  parallel = dataclasses.replace(values.parallel, **parallel)
  return dataclasses.replace(values, train=train, parallel=parallel)


def test_what_fsdp_and_model_leave_goes_to_data():
  mesh = assembly.make_mesh(config(fsdp=2, model=2))
  assert dict(mesh.shape) == {"data": 2, "fsdp": 2, "model": 2}


def test_the_mesh_may_be_of_given_devices():
  chosen = jax.devices()[2:6]
  mesh = assembly.make_mesh(config(fsdp=2), chosen)
  assert set(mesh.devices.flat) == set(chosen)
  assert dict(mesh.shape) == {"data": 2, "fsdp": 2, "model": 1}


def test_a_mesh_that_does_not_divide_the_devices_is_refused():
  with pytest.raises(InputError, match="3 x 1 to divide .* 8"):
    assembly.make_mesh(config(fsdp=3))


def test_a_batch_must_share_out_over_devices_and_microbatches():
  mesh = assembly.make_mesh(config())
  assembly.check_batch_size(config(64, 8), mesh)
  with pytest.raises(InputError, match="multiple of 128 .* found 64"):
    assembly.check_batch_size(config(64, 16), mesh)
