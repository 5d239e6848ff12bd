"""Writes a trained model as a directory to give away.

python -m unimse_jax.package --workdir DIR --out DIR [--overwrite]
"""

from absl import flags

from unimse_cli.storage import user_path
from unimse_jax import command_line

_WORKDIR = flags.DEFINE_string("workdir", None, "The run.", required=True)
_OUT = flags.DEFINE_string("out", None, "The new directory.", required=True)
_OVERWRITE = flags.DEFINE_bool(
  "overwrite", False, "Replace an earlier package there."
)


def main() -> int:
  from unimse_jax.prediction import package

  out = user_path(_OUT.value)
  manifest = package.write(user_path(_WORKDIR.value), out, _OVERWRITE.value)
  source = manifest["source"]
  print(
    f"Written: {len(manifest['files'])} files to {out} "
    f"({source['checkpoint']} checkpoint, step {source['step']})"
  )
  return 0


if __name__ == "__main__":
  command_line.run(main)
