"""w/o MELD (Table 3): neither trained on nor a donor of labels."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  return ablations.drop_corpus(config, "meld")


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
