"""w/o PMF (Table 3): voice and face meet the text in the loss alone."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  config.model.pmf = False
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
