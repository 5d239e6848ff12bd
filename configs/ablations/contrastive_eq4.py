"""Eq. 4 to the letter: raw dot products, the positive counted twice."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  config.loss.normalize = False  # D12
  config.loss.temperature = 1.0  # D12
  config.loss.count_positive_twice = True  # D11
  return config
