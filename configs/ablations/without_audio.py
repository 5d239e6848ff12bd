"""w/o A (Table 3): no voice in PMF and loss (D42)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  return ablations.drop_modalities(config, "audio")
