"""The contrastive loss sees the last PMF layer alone (D10)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.model.contrastive_layers = "last_only"
  return config
