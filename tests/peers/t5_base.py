"""The default in float32, its shapes T5-base's, four texts a batch.

python -m unimse_jax.benchmark --config tests/peers/t5_base.py --peer torch
"""

from ml_collections import ConfigDict

from unimse_jax.config import default_values


def get_config() -> ConfigDict:
  config = ConfigDict(default_values())
  config.name = "t5_base"
  config.t5.dtype = "float32"
  config.train.batch_size = 4
  return config
