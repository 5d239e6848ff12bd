"""COGMEN (Joshi et al., NAACL 2022)."""

from ml_collections import ConfigDict

from configs import rivals


def change(config: ConfigDict) -> ConfigDict:
  config.rival.system = "cogmen"
  # At the demo's 3e-3 its Transformer says one class.
  config.optimizer.lr_main = min(config.optimizer.lr_main, 1e-3)
  config.text.window = 0  # it reads the dialogue itself
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(rivals.load_parent(parent, __file__))
