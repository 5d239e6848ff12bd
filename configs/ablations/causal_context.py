"""Turns before the utterance alone, as in real time (D18)."""

from ml_collections import ConfigDict

from configs import ablations


def change(config: ConfigDict) -> ConfigDict:
  ablations.widen(config, max(config.text.window, 2))
  config.text.context = "past"
  return config


def get_config(parent: str = "base") -> ConfigDict:
  return change(ablations.load_parent(parent, __file__))
