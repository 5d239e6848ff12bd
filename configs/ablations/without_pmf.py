"""w/o PMF (Table 3): voice and face meet the text in the loss alone."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.model.pmf = False
  return config
