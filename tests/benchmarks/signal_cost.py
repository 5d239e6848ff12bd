"""What measuring the signal costs a training step.

  python tests/benchmarks/signal_cost.py [--config demo] [--rows 32]
    [--tokens 32] [--steps 60]

Compiles the step of a config twice, with the figures of `training.signal` and
without, and runs both in turns on one synthetic batch. Prints CPU time of the
process, which a busy machine changes less than the clock, and XLA's own count
of operations and bytes, which no machine changes.
"""

import argparse
import collections
import importlib
import pathlib
import statistics
import sys
import time
from unittest import mock

import jax
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from unimse_jax import config as config_lib  # noqa: E402
from unimse_jax.benchmarking import (
  synthetic,  # noqa: E402
  workload,  # noqa: E402
)
from unimse_jax.models import signal as model_signal  # noqa: E402
from unimse_jax.pipeline.mesh import config_mesh  # noqa: E402
from unimse_jax.training import signal  # noqa: E402
from unimse_jax.training.assembly import assemble  # noqa: E402


def compile_step(config, batch):
  """The compiled step, a state to start from, and CPU seconds to compile."""
  mesh, model = config_mesh(config), workload.synthetic_model(config)
  params = workload.random_params(config, model, mesh)
  shapes = jax.eval_shape(lambda: params)
  parts = assemble(config, model, shapes, mesh, total_steps=1000)
  state = parts.create_state(params)
  start = time.process_time()
  step = parts.step.lower(state, batch, jax.random.key(0)).compile()
  return step, state, time.process_time() - start


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--config", default="demo")
  parser.add_argument("--rows", type=int, default=32)
  parser.add_argument("--tokens", type=int, default=32)
  parser.add_argument("--steps", type=int, default=60)
  flags = parser.parse_args()
  values = importlib.import_module(f"configs.{flags.config}").get_config()
  values.train.batch_size = flags.rows
  config = config_lib.validate(values.to_dict())
  lengths = np.random.default_rng(0).integers(
    flags.tokens // 2, flags.tokens + 1, flags.rows
  )
  batch = synthetic.make_batch(config, lengths, flags.rows, flags.tokens)
  steps, states, compiling = {}, {}, {}
  with (
    mock.patch.object(model_signal, "is_wanted", lambda _: False),
    mock.patch.object(signal, "gradient_norms", lambda _: {}),
  ):
    steps["without"], states["without"], compiling["without"] = compile_step(
      config, batch
    )
  steps["with"], states["with"], compiling["with"] = compile_step(config, batch)
  seconds = collections.defaultdict(list)
  key = jax.random.key(0)
  for number in range(flags.steps + 1):
    for name in sorted(steps, reverse=bool(number % 2)):
      start = time.process_time()
      states[name], _ = steps[name](states[name], batch, key)
      jax.block_until_ready(states[name])
      if number:  # the first warms up
        seconds[name].append(time.process_time() - start)
  median = {name: statistics.median(each) for name, each in seconds.items()}
  print(
    f"{flags.config}, {flags.rows} x {flags.tokens} tokens, {flags.steps} "
    f"steps: with {1e3 * median['with']:.1f}, without "
    f"{1e3 * median['without']:.1f} ms of CPU a step (medians), "
    f"{median['with'] / median['without'] - 1:+.1%}"
  )
  counts = {name: step.cost_analysis() for name, step in steps.items()}
  for kind in ("flops", "bytes accessed"):
    ratio = counts["with"][kind] / counts["without"][kind]
    print(f"{kind}: {ratio - 1:+.1%}")
  print(
    f"compiling: with {compiling['with']:.1f}, without "
    f"{compiling['without']:.1f} s of CPU"
  )


if __name__ == "__main__":
  main()
