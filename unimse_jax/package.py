"""Writes a trained model as a directory to give away, or puts it on the hub.

python -m unimse_jax.package --workdir DIR --out DIR [--overwrite]
    [--push owner/name [--private]]
python -m unimse_jax.package --out DIR --push owner/name
"""

import pathlib

from absl import flags

from unimse_cli.storage import user_path
from unimse_jax import command_line
from unimse_jax.errors import InputError

_WORKDIR = flags.DEFINE_string(
  "workdir", None, "The run; left out where --out is a package to --push."
)
_OUT = flags.DEFINE_string("out", None, "The directory.", required=True)
_OVERWRITE = flags.DEFINE_bool(
  "overwrite", False, "Replace an earlier package there."
)
_PUSH = flags.DEFINE_string(
  "push", None, "owner/name: uploads it to the Hugging Face hub too."
)
_PRIVATE = flags.DEFINE_bool(
  "private", False, "A new repository is visible to its owner alone."
)


def main() -> int:
  if _WORKDIR.value is None and _PUSH.value is None:
    raise InputError("expected --workdir, the run to package, found none.")
  out = user_path(_OUT.value)
  if _WORKDIR.value is not None:
    _write(user_path(_WORKDIR.value), out)
  if _PUSH.value is not None:
    from unimse_cli import storage
    from unimse_jax.prediction import publishing

    local = storage.fetch(str(out))
    address = publishing.push(local, _PUSH.value, _PRIVATE.value)
    print(f"Pushed: {address}")
  return 0


def _write(workdir: pathlib.Path, out: pathlib.Path) -> None:
  from unimse_jax.prediction import package

  manifest = package.write(workdir, out, _OVERWRITE.value, _PUSH.value or "DIR")
  source = manifest["source"]
  print(
    f"Written: {len(manifest['files'])} files to {out} "
    f"({source['checkpoint']} checkpoint, step {source['step']})"
  )


if __name__ == "__main__":
  command_line.run(main)
