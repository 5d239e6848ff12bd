"""MELD alone: no other corpus, so nothing to complete."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  return ablations.keep_corpus(config, "meld")
