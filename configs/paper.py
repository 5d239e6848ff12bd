"""The paper to the letter, where it says something (docs/decisions.md)."""

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
  config.model.pmf_decoder = False  # D5: the encoder's last 3 layers
  config.model.pmf_units = "none"  # D44: Eq. 2 as it stands
  config.model.segment_units = "none"  # D46: Eq. 1 as it stands
  config.model.contrastive_anchor = "window"  # D47: all of F^(j)
  config.loss.contrastive_units = "nats"  # D9: Eq. 5 as it stands
  config.loss.normalize = False  # D12: raw dot product ...
  config.loss.temperature = 1.0  # ... without a temperature
  config.loss.count_positive_twice = True  # D11: Eq. 4's sum includes k = i
  config.optimizer.lr_pmf = 1e-4  # D48: section 4.4
  config.optimizer.lr_main = 1e-4  # D48: section 4.4
  config.optimizer.lr_segment = 1e-4  # D46: as lr_main
  config.decoding.constrained = False  # D26: as Algorithm 1 generates
  config.decoding.consistent = False  # D26
  config.decoding.intensity = "greedy"  # D26: the number as written
  config.label.snap = False  # D24: any number
  return config
