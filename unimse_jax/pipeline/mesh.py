"""The devices that a config asks for."""

from collections.abc import Sequence

import jax
from jax.sharding import Mesh

from unimse_jax.config import Config
from unimse_jax.parallel import mesh as mesh_lib


def config_mesh(
  config: Config, available: Sequence[jax.Device] | None = None
) -> Mesh:
  """The mesh of a config.

  Args:
    config: the run's; its parallel section is read.
    available: devices to choose from; None for all that jax finds.

  Raises:
    InputError: the devices cannot be shared out as the config asks.
  """
  parallel = config.parallel
  return mesh_lib.make_mesh(
    parallel.fsdp, parallel.model, parallel.devices, available
  )
