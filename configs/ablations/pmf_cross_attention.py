"""The text attends to the states of voice and face (D6)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.model.pmf_place = "cross_attention"
  return config
