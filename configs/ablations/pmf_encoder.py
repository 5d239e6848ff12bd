"""PMF in the last layers of the encoder alone, as the paper has it (D5)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.model.pmf_decoder = False
  return config
