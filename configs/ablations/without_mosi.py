"""w/o MOSI: neither trained on nor a donor of labels."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  return ablations.drop_corpus(config, "mosi")
