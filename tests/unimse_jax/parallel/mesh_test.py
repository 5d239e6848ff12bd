"""Meshes over the eight virtual devices."""

import jax
import pytest
from jax.sharding import AxisType

from unimse_jax.errors import InputError
from unimse_jax.parallel.mesh import make_mesh


@pytest.mark.parametrize(
  ("arguments", "shape"),
  [
    ((), (8, 1, 1)),
    ((2, 2), (2, 2, 2)),
    ((1, 1, 1), (1, 1, 1)),
    ((2, 1, 4), (2, 2, 1)),
  ],
)
def test_data_takes_what_is_left(arguments, shape):
  mesh = make_mesh(*arguments)
  assert mesh.axis_names == ("data", "fsdp", "model")
  assert tuple(mesh.shape.values()) == shape
  # Linen breaks on explicit axes.
  assert set(mesh.axis_types) == {AxisType.Auto}
  assert len({device.id for device in mesh.devices.flat}) == mesh.size


@pytest.mark.parametrize(
  "arguments", [(3, 1), (1, 16), (1, 1, 9), (2, 2, 6), (1, 1, -1)]
)
def test_sizes_that_do_not_divide_are_refused(arguments):
  with pytest.raises(InputError, match=r"parallel\.fsdp x parallel\.model"):
    make_mesh(*arguments)


def test_the_mesh_may_be_of_given_devices():
  chosen = jax.devices()[2:6]
  mesh = make_mesh(fsdp=2, available=chosen)
  assert set(mesh.devices.flat) == set(chosen)
  assert dict(mesh.shape) == {"data": 2, "fsdp": 2, "model": 1}


def test_the_devices_are_there():
  assert jax.device_count() == 8
