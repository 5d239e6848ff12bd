"""PMF in the last layers of the decoder too (D5)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.model.pmf_decoder = True
  return config
