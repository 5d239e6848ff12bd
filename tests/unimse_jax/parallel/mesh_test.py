"""Meshes over the eight virtual devices."""

import jax
import pytest
from jax.sharding import AxisType

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


@pytest.mark.parametrize("arguments", [(3, 1), (1, 16), (1, 1, 9), (2, 2, 6)])
def test_sizes_that_do_not_divide_are_refused(arguments):
  with pytest.raises(ValueError, match=r"parallel\.fsdp x parallel\.model"):
    make_mesh(*arguments)


def test_the_devices_are_there():
  assert jax.device_count() == 8
