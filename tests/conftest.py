"""What all tests share: eight virtual devices, and where the real data is."""

import os
import pathlib

import jax
import pytest

# Before jax looks for devices: meshes need several, and the CPU is one.
jax.config.update("jax_num_cpu_devices", 8)

# A program that was compiled once is read back: by the next test that traces
# the same, by the processes that tests start, and by the next run of the tests.
_COMPILED = {
  "jax_compilation_cache_dir": str(
    pathlib.Path(__file__).parents[1] / ".cache"
  ),
  "jax_persistent_cache_min_compile_time_secs": 0.0,
  "jax_persistent_cache_min_entry_size_bytes": -1,
}
for name, value in _COMPILED.items():
  jax.config.update(name, value)
  os.environ[name.upper()] = str(value)

SHARED_DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
  """The real data beside the checkout; skips on a machine without it."""
  if not SHARED_DATA.is_dir():
    pytest.skip(f"real data not there: {SHARED_DATA}")
  return SHARED_DATA
