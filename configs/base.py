"""The default: the paper's method with its faults mended (docs/decisions.md,
column default). Every field has the default of its definition in
unimse_jax/config; docs/configuration.md lists them, and so does, for those of
one section,

  python -m unimse_jax.train --help_config=text.

Used as any other config:

  python -m unimse_jax.train --config configs/base.py
  python -m unimse_jax.eval  --config configs/base.py
"""

from ml_collections import ConfigDict

from unimse_jax.config import default_values


def get_config() -> ConfigDict:
  return ConfigDict(default_values())
