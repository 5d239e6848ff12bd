"""The typed view of a config: what a field may be, checked all at once.

`configs/base.py` gives every field its value, unit and source; here stands its
type (`fields`) and what is legal (`limits`). Nothing below the entry points
sees a ConfigDict.
"""

from unimse_jax.config.fields import (
  FREE_FIELDS,
  Config,
  DataConfig,
  LossConfig,
  OptimizerConfig,
  TextConfig,
)
from unimse_jax.config.limits import CHOICES, layer_faults
from unimse_jax.config.reading import to_dict, validate

__all__ = [
  "CHOICES",
  "FREE_FIELDS",
  "Config",
  "DataConfig",
  "LossConfig",
  "OptimizerConfig",
  "TextConfig",
  "layer_faults",
  "to_dict",
  "validate",
]
