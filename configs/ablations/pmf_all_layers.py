"""PMF in every encoder layer (D5)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.model.pmf_layers = config.t5.encoder_layers
  return config
