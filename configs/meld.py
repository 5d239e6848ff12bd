"""MELD alone: its own annotations, nothing to complete.

python -m unimse_jax.train --config configs/meld.py
"""

from ml_collections import ConfigDict

from configs.ablations import only_meld


def get_config() -> ConfigDict:
  config = only_meld.get_config()
  config.name = "meld"
  return config
