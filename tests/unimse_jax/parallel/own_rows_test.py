"""Which rows of a batch a process reads, on meshes in the order of a slice.

jax lays the axes of a TPU slice along its links, so that the parts of a host
need not lie side by side. Two real processes of two CPU devices each stand for
two hosts.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from unimse_jax.parallel import sharding
from unimse_jax.parallel.mesh import make_mesh

_ROOT = pathlib.Path(__file__).parents[3]
_SCRIPT = """
import json, sys
import jax
import numpy as np
from jax.sharding import AxisType, Mesh
from unimse_jax.parallel import multihost, sharding

jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)
address, process, order, shape = sys.argv[1:]
jax.distributed.initialize(address, 2, int(process))
devices = sorted(jax.devices(), key=lambda each: (each.process_index, each.id))
grid = np.array(devices)[json.loads(order)].reshape(json.loads(shape))
axes = ("data", "fsdp", "model")
mesh = Mesh(grid, axes, axis_types=(AxisType.Auto,) * 3)
own = sharding.own_rows(8, mesh)
batch = {"row": own, "pair": np.stack([own, -own], axis=1)}
placed = sharding.shard_batch(batch, mesh)
found = jax.jit(lambda batch: {"twice": 2 * batch["row"], **batch})(placed)
whole = {name: multihost.gather_rows(each) for name, each in found.items()}
lists = {name: each.tolist() for name, each in whole.items()}
print(json.dumps({"own": own.tolist(), **lists}))
"""


def run_both(order: list[int], shape: list[int]) -> list[dict]:
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    address = f"localhost:{probe.getsockname()[1]}"
  arguments = [json.dumps(order), json.dumps(shape)]
  running = [
    subprocess.Popen(
      [sys.executable, "-c", _SCRIPT, address, str(process), *arguments],
      cwd=_ROOT,
      env={**os.environ, "XLA_FLAGS": ""},
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for process in range(2)
  ]
  printed = [each.communicate(timeout=120) for each in running]
  for each, (_, error) in zip(running, printed, strict=True):
    assert each.returncode == 0, error
  return [json.loads(out.splitlines()[-1]) for out, _ in printed]


@pytest.mark.parametrize(
  ("order", "shape", "own"),
  [
    ([0, 1, 2, 3], [4, 1, 1], [[0, 1, 2, 3], [4, 5, 6, 7]]),
    ([0, 2, 1, 3], [4, 1, 1], [[0, 1, 4, 5], [2, 3, 6, 7]]),
    ([3, 0, 1, 2], [2, 2, 1], [[2, 3, 4, 5], [0, 1, 6, 7]]),
    # A layer over both hosts: each reads all rows.
    ([0, 1, 2, 3], [1, 1, 4], [[*range(8)], [*range(8)]]),
    ([0, 2, 1, 3], [2, 1, 2], [[*range(8)], [*range(8)]]),
  ],
)
def test_rows_come_back_in_their_order(order, shape, own):
  found = run_both(order, shape)
  assert [each["own"] for each in found] == own
  for each in found:
    assert each["row"] == [*range(8)]
    assert each["twice"] == [*range(0, 16, 2)]
    assert each["pair"] == [[row, -row] for row in range(8)]


def test_one_process_holds_all_rows():
  mesh = make_mesh(2, 2)
  np.testing.assert_array_equal(sharding.own_rows(12, mesh), np.arange(12))
