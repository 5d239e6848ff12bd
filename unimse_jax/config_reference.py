"""Writes the reference of all config fields, from their definitions.

python -m unimse_jax.config_reference [--configs configs]
    [--out docs/configuration.md]
"""

import pathlib

from absl import flags

from unimse_jax import command_line
from unimse_jax.config import reference
from unimse_jax.files import write_atomically

_PRESETS = ("paper", "authors")
_CONFIGS = flags.DEFINE_string("configs", "configs", "Folder of the configs.")
_OUT = flags.DEFINE_string("out", "docs/configuration.md", "The page.")


def main() -> int:
  folder, out = pathlib.Path(_CONFIGS.value), pathlib.Path(_OUT.value)
  presets = {
    name: command_line.load_config([f"--config={folder / name}.py"])
    for name in _PRESETS
  }
  out.parent.mkdir(parents=True, exist_ok=True)
  write_atomically(out, reference.render(presets).encode())
  print(f"Written: {out}")
  return 0


if __name__ == "__main__":
  command_line.run(main)
