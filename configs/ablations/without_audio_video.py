"""w/o A, V (Table 3): the adapter reads the text alone (D42)."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  return ablations.drop_modalities(config, "audio", "video")


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
