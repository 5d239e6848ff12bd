"""MOSEI alone: its own annotations, nothing to complete.

python -m unimse_jax.train --config configs/mosei.py
"""

from ml_collections import ConfigDict

from configs.ablations import only_mosei


def get_config() -> ConfigDict:
  config = only_mosei.get_config()
  config.name = "mosei"
  return config
