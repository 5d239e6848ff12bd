"""The networks, in Flax Linen: nothing but maths.

Letters of the shapes in all docstrings:

  B  examples in the batch          S  encoder (text) tokens
  T  decoder (label) tokens         V  vocabulary entries, or video frames
  A  audio (Mel) frames             D  width of T5 (d_model)
  H  attention heads                K  width of one head (d_kv)
  F  width of the feed-forward      C  width of the contrastive space
  L  layers                         P  rows of the encoder; B where each text
  R  places of such a row; S then      has one of its own (`models.packing`)

A mask is bool, True where the value is valid, and travels with its values.
"""

from unimse_jax.models.t5 import T5, T5Config
from unimse_jax.models.unimse import (
  UniMSE,
  UniMSEConfig,
  UniMSEOutput,
  decoder_mask,
)

__all__ = [
  "T5",
  "T5Config",
  "UniMSE",
  "UniMSEConfig",
  "UniMSEOutput",
  "decoder_mask",
]
