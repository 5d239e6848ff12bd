"""The mesh and the batch that a config asks for, or one clear refusal."""

import dataclasses

import pytest

from configs import scratch
from unimse_jax import config as config_lib
from unimse_jax.errors import InputError
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.training import assembly


def config(batch_size=64, microbatches=1):
  values = config_lib.validate(scratch.get_config().to_dict())
  train = dataclasses.replace(
    values.train, batch_size=batch_size, microbatches=microbatches
  )
  return dataclasses.replace(values, train=train)


def test_a_batch_must_share_out_over_devices_and_microbatches():
  mesh = config_mesh(config())
  assembly.check_batch_size(config(64, 8), mesh)
  with pytest.raises(InputError, match="multiple of 128 .* found 64"):
    assembly.check_batch_size(config(64, 16), mesh)
