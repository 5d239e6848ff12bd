"""Compiles a config for a TPU topology on a machine without TPUs.

python -m unimse_jax.compile_check --config configs/base.py
    [--topology v5e:2x4] [--config.parallel.fsdp=4 ...]
"""

import os

from absl import flags

from unimse_jax import command_line

_CONFIG = command_line.define_config()
_TOPOLOGY = flags.DEFINE_string(
  "topology", "v5e:2x4", "Kind of TPU and shape of the slice."
)


def main() -> int:
  config = command_line.read_config(_CONFIG)
  # Nothing runs here: leave the accelerators of this machine to others.
  os.environ.setdefault("JAX_PLATFORMS", "cpu")
  from unimse_jax.benchmarking import ahead_of_time

  programs = ahead_of_time.check(config, _TOPOLOGY.value)
  print(f"{config.name} on {_TOPOLOGY.value}")
  print(ahead_of_time.format_checks(programs))
  return 0


if __name__ == "__main__":
  command_line.run(main, keep_programs=False)
