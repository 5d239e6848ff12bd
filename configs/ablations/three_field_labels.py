"""Polarity, intensity and one emotion (Algorithm 1; D22)."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  config.label.fields = "three_field"
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
