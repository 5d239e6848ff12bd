"""What all tests share: eight virtual devices, and where the real data is."""

import pathlib

import jax
import pytest

# Before jax looks for devices: meshes need several, and the CPU is one.
jax.config.update("jax_num_cpu_devices", 8)

SHARED_DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
  """The real data beside the checkout; skips on a machine without it."""
  if not SHARED_DATA.is_dir():
    pytest.skip(f"real data not there: {SHARED_DATA}")
  return SHARED_DATA
