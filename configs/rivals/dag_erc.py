"""DAG-ERC (Shen et al., ACL 2021)."""

from ml_collections import ConfigDict

from configs import rivals


def change(config: ConfigDict) -> ConfigDict:
  config.rival.system = "dag_erc"
  config.text.window = 0  # the graph has the context
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(rivals.load_parent(parent, __file__))
