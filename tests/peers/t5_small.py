"""The default in float32, its shapes T5-small's, sixteen texts a batch.

python -m unimse_jax.benchmark --config tests/peers/t5_small.py --peer torch
"""

from ml_collections import ConfigDict

from unimse_jax.config import default_values


def get_config() -> ConfigDict:
  config = ConfigDict(default_values())
  config.name = "t5_small"
  config.t5.dtype = "float32"
  config.t5.width = 512
  config.t5.hidden = 2048
  config.t5.heads = 8
  config.t5.encoder_layers = 6
  config.t5.decoder_layers = 6
  config.train.batch_size = 16
  return config
