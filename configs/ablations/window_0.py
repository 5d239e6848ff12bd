"""The utterance without its dialogue (D18)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  return ablations.widen(config, 0)
