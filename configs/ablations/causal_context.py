"""Turns before the utterance alone, as in real time (D18)."""

from ml_collections import ConfigDict

from configs import ablations


def get_config(parent: str = "base") -> ConfigDict:
  config = ablations.derive(parent, __file__)
  ablations.widen(config, max(config.text.window, 2))
  config.text.context = "past"
  return config
