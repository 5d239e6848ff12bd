"""The least time of a training step on this CPU, and what bounds it.

  python tests/benchmarks/cpu_bound.py [--config tests/peers/t5_small.py]

Operations of the step by XLA's count, over the fastest float32 product that
numpy, torch or XLA manage here; and the bytes that AdamW must move, over the
fastest copy. Both for the equal and the drawn batch of
`python -m unimse_jax.benchmark --peer torch`; give it the machine alone.
"""

import argparse
import pathlib
import runpy
import sys
import time
from collections.abc import Callable

# Run as a script, which finds the folder of the script alone.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
import torch

from unimse_jax import config as config_lib
from unimse_jax.benchmarking import peers, workload
from unimse_jax.config import Config
from unimse_jax.parallel import sharding
from unimse_jax.pipeline.mesh import config_mesh

_RUNS = 15
# Gradient, two moments and the parameter are read, the last three written, and
# the gradient is read once more for its norm.
_ADAMW_ARRAYS = 8
_CUBE = 2048


def least_seconds(run: Callable[[], object]) -> float:
  """The shortest of some runs."""
  found = []
  for _ in range(_RUNS + 1):
    start = time.perf_counter()
    run()
    found.append(time.perf_counter() - start)
  return min(found[1:])


def product_rates(rows: int, inner: int, columns: int) -> dict[str, float]:
  """Library -> FLOP/s of one product."""
  rng = np.random.default_rng(0)
  left = rng.standard_normal((rows, inner), np.float32)
  right = rng.standard_normal((inner, columns), np.float32)
  out = np.empty((rows, columns), np.float32)
  torch_left, torch_right = torch.from_numpy(left), torch.from_numpy(right)
  torch_out = torch.from_numpy(out)
  xla_left, xla_right = jnp.asarray(left), jnp.asarray(right)
  multiply = jax.jit(jnp.matmul)
  runs = {
    "numpy": lambda: np.matmul(left, right, out=out),
    "torch": lambda: torch.matmul(torch_left, torch_right, out=torch_out),
    "XLA": lambda: multiply(xla_left, xla_right).block_until_ready(),
  }
  flops = 2 * rows * inner * columns
  return {name: flops / least_seconds(run) for name, run in runs.items()}


def copy_rate() -> float:
  """Bytes/s, read and written, of a copy that no cache holds."""
  source = torch.ones(2**26)
  target = torch.empty_like(source)
  return 2 * source.nbytes / least_seconds(lambda: target.copy_(source))


def step_flops(config: Config) -> tuple[int, dict[str, float]]:
  """Parameters, and task -> operations of a step before XLA's passes."""
  mesh = config_mesh(config)
  _, assembly = workload.make_assembly(config, mesh)
  key = jax.device_put(jax.random.key(0), sharding.replicated(mesh))
  found = {
    name: assembly.step.lower(
      assembly.abstract_state, sharding.shard_batch(task.ours, mesh), key
    ).cost_analysis()["flops"]
    for name, task in peers.make_train_tasks(config, mesh).items()
  }
  params = jax.tree.leaves(assembly.abstract_state.params)
  return sum(leaf.size for leaf in params), found


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--config", default="tests/peers/t5_small.py")
  flags = parser.parse_args()
  values = runpy.run_path(flags.config)["get_config"]().to_dict()
  config = config_lib.validate(values)
  count, flops = step_flops(config)
  tokens, width = 64 * config.train.batch_size, config.t5.width
  shapes = [
    (tokens, width, config.t5.hidden),
    (tokens, config.t5.hidden, width),
    (tokens, width, width),
    (_CUBE, _CUBE, _CUBE),
  ]
  best = 0.0
  for shape in shapes:
    rates = product_rates(*shape)
    best = max(best, *rates.values())
    named = ", ".join(
      f"{name} {rate / 1e9:.0f}" for name, rate in rates.items()
    )
    print(f"{' x '.join(map(str, shape))}: {named} GFLOP/s")
  rate = copy_rate()
  moved = _ADAMW_ARRAYS * 4 * count
  print(
    f"AdamW: {count / 1e6:.0f} M parameters, {moved / 1e9:.2f} GB at "
    f"{rate / 1e9:.1f} GB/s: {moved / rate:.3f} s"
  )
  for name, number in flops.items():
    print(
      f"{name}: {number / 1e9:.0f} GFLOP at {best / 1e9:.0f} GFLOP/s: "
      f"{number / best:.3f} s; with AdamW {number / best + moved / rate:.3f} s"
    )


if __name__ == "__main__":
  main()
