"""w/o CL (Table 3; D9)."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  config.loss.alpha = 0.0
  config.loss.beta = 0.0
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
