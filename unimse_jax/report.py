"""Writes the report of an evaluated run.

python -m unimse_jax.report --workdir DIR
"""

import pathlib

from absl import flags

from unimse_jax import command_line

_WORKDIR = flags.DEFINE_string(
  "workdir", None, "The run to report on.", required=True
)


def main() -> int:
  from unimse_jax.reporting import page

  print(f"Written: {page.write(pathlib.Path(_WORKDIR.value))}")
  return 0


if __name__ == "__main__":
  command_line.run(main)
