"""MELD alone: no other corpus, so nothing to complete."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  return ablations.keep_corpus(config, "meld")


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
