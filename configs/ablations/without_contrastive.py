"""w/o CL (Table 3; D9)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.loss.alpha = 0.0
  config.loss.beta = 0.0
  return config
