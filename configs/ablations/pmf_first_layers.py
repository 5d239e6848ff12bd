"""PMF in the first layers of the encoder, as many as in the parent (D5)."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  config.model.pmf_layer_numbers = tuple(range(config.model.pmf_layers))
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
