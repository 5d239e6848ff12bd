"""The typed config: every field is defined here, and checked all at once.

A field stands once, with its type, default, bounds and meaning: those of texts,
labels and corpora in `input_fields`, of the network and its losses in
`model_fields`, of training, decoding and devices in `run_fields`. The default
config (configs/base.py), the checks, --help_config and docs/configuration.md
are made from there. Nothing below the entry points sees a ConfigDict.
"""

from unimse_jax.config.earlier import REMOVED, StoredConfig, read_stored
from unimse_jax.config.input_fields import (
  AugmentConfig,
  DataConfig,
  TextConfig,
)
from unimse_jax.config.limits import flat, layer_faults
from unimse_jax.config.model_fields import LossConfig, ModelConfig
from unimse_jax.config.reading import default_values, to_dict, validate
from unimse_jax.config.run_fields import (
  FIELDS,
  FREE_FIELDS,
  Config,
  DecodingConfig,
  OptimizerConfig,
)

__all__ = [
  "FIELDS",
  "FREE_FIELDS",
  "REMOVED",
  "AugmentConfig",
  "Config",
  "DataConfig",
  "DecodingConfig",
  "LossConfig",
  "ModelConfig",
  "OptimizerConfig",
  "StoredConfig",
  "TextConfig",
  "default_values",
  "flat",
  "layer_faults",
  "read_stored",
  "to_dict",
  "validate",
]
