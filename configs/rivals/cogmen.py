"""COGMEN (Joshi et al., NAACL 2022)."""

from ml_collections import ConfigDict

from configs import rivals


def change(config: ConfigDict) -> ConfigDict:
  config.rival.system = "cogmen"
  config.text.window = 0  # it reads the dialogue itself
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(rivals.load_parent(parent, __file__))
