"""Polarity, intensity and one emotion (Algorithm 1; D22)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.label.fields = "three_field"
  return config
