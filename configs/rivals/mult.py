"""MulT (Tsai et al. 2019) in UniMSE's place."""

from ml_collections import ConfigDict

from configs import rivals


def change(config: ConfigDict) -> ConfigDict:
  config.rival.system = "mult"
  # The paper's; at the demo's 3e-3 its Transformers hardly learn.
  config.optimizer.lr_main = min(config.optimizer.lr_main, 1e-3)
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(rivals.load_parent(parent, __file__))
