"""Eq. 4 to the letter: raw dot products, the positive counted twice."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  config.loss.normalize = False  # D12
  config.loss.temperature = 1.0  # D12
  config.loss.count_positive_twice = True  # D11
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
