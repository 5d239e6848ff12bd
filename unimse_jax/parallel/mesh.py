"""The device mesh: data, fsdp and model axes."""

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh

from unimse_jax.errors import InputError

AXES = ("data", "fsdp", "model")


def make_mesh(
  fsdp: int = 1,
  model: int = 1,
  devices: int = 0,
  available: Sequence[jax.Device] | None = None,
) -> Mesh:
  """A mesh over the devices; what fsdp and model leave goes to data.

  Args:
    fsdp: devices over which parameters and batch are both split.
    model: devices over which each layer is split.
    devices: number of devices to use; 0 for all.
    available: the devices to choose from; None for all that jax finds. Those
      of a topology that is not there do to compile for.

  Raises:
    InputError: fewer than one device, or more than there are, or the sizes do
      not divide their number.
  """
  available = jax.devices() if available is None else list(available)
  count = devices or len(available)
  if not 1 <= count <= len(available) or count % (fsdp * model):
    raise InputError(
      f"Expected parallel.fsdp x parallel.model = {fsdp} x {model} to divide "
      f"the number of devices in use ({count} of {len(available)} "
      f"{available[0].platform} devices)."
    )
  shape = (count // (fsdp * model), fsdp, model)
  if count == len(available):
    # Lets jax place the axes along the machine's own links. Linen breaks on
    # the default Explicit axes.
    return jax.make_mesh(
      shape, AXES, axis_types=(AxisType.Auto,) * 3, devices=available
    )
  grid = np.asarray(available[:count]).reshape(shape)
  return Mesh(grid, AXES, axis_types=(AxisType.Auto,) * 3)
