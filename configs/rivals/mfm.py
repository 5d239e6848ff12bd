"""MFM (Tsai et al. 2019) in UniMSE's place."""

from ml_collections import ConfigDict

from configs import rivals


def change(config: ConfigDict) -> ConfigDict:
  config.rival.system = "mfm"
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(rivals.load_parent(parent, __file__))
