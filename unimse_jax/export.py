"""The old name of unimse_jax.package; goes with the next version."""

import sys

from unimse_jax import command_line
from unimse_jax.package import main

if __name__ == "__main__":
  print(
    "unimse_jax.export is now called unimse_jax.package; the old name goes "
    "with the next version.",
    file=sys.stderr,
  )
  command_line.run(main)
