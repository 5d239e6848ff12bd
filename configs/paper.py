"""The paper to the letter, where it says something (fidelity column Paper)."""

from ml_collections import ConfigDict

from configs import base


def get_config() -> ConfigDict:
  config = base.get_config()
  config.name = "paper"
  config.text.prefix = ""  # D17: none is mentioned
  config.text.speakers = ()  # D20: not mentioned
  config.text.lowercase = ()  # D21: not mentioned
  config.text.turn_separator = ""  # D19: Eq. 1 has segment ids alone
  config.data.long_clips = "cut"  # D41: not mentioned
  config.label.fields = "three_field"  # D22: Algorithm 1
  config.loss.normalize = False  # D12: raw dot product ...
  config.loss.temperature = 1.0  # ... without a temperature
  config.loss.count_positive_twice = True  # D11: Eq. 4's sum includes k = i
  config.decoding.constrained = False  # D26: as Algorithm 1 generates
  config.decoding.consistent = False  # D26
  config.decoding.intensity = "greedy"  # D26: the number as written
  config.label.snap = False  # D24: any number
  return config
