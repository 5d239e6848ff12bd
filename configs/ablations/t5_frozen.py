"""T5 as it is; PMF, LSTMs and projections learn (D27)."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  config.optimizer.trainable = r"^(?!t5/)"
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
