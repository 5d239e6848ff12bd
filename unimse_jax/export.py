"""Writes a trained model as a directory to give away.

python -m unimse_jax.export --workdir DIR --out DIR [--overwrite]
"""

import pathlib

from absl import flags

from unimse_jax import command_line

_WORKDIR = flags.DEFINE_string("workdir", None, "The run.", required=True)
_OUT = flags.DEFINE_string("out", None, "The new directory.", required=True)
_OVERWRITE = flags.DEFINE_bool(
  "overwrite", False, "Replace an earlier export there."
)


def main() -> int:
  from unimse_jax.prediction import exported

  out = pathlib.Path(_OUT.value)
  found = exported.export(pathlib.Path(_WORKDIR.value), out, _OVERWRITE.value)
  source = found["source"]
  print(
    f"Written: {len(found['files'])} files to {out} ({source['checkpoint']} "
    f"checkpoint, step {source['step']})"
  )
  return 0


if __name__ == "__main__":
  command_line.run(main)
