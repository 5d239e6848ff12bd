"""PMF reads the feed-forward's input (D6)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.model.pmf_place = "parallel"
  return config
