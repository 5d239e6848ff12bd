"""DialogueGCN (Ghosal et al., EMNLP 2019)."""

from ml_collections import ConfigDict

from configs import rivals


def change(config: ConfigDict) -> ConfigDict:
  config.rival.system = "dialogue_gcn"
  config.text.window = 0  # the graph has the context
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(rivals.load_parent(parent, __file__))
