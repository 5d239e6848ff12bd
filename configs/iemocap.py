"""IEMOCAP alone: its own annotations, nothing to complete.

python -m unimse_jax.train --config configs/iemocap.py
"""

from ml_collections import ConfigDict

from configs.ablations import only_iemocap


def get_config() -> ConfigDict:
  config = only_iemocap.get_config()
  config.name = "iemocap"
  return config
