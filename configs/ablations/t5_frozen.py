"""T5 as it is; PMF, LSTMs and projections learn (D27)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.optimizer.trainable = r"^(?!t5/)"
  return config
