"""MOSI alone: its own annotations, nothing to complete.

python -m unimse_jax.train --config configs/mosi.py
"""

from ml_collections import ConfigDict

from configs.ablations import only_mosi


def get_config() -> ConfigDict:
  config = only_mosi.get_config()
  config.name = "mosi"
  return config
