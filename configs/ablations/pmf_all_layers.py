"""PMF in every encoder layer (D5)."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  config.model.pmf_layers = config.t5.encoder_layers
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
