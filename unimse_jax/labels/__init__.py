"""The universal label: what may be said, and how it is written."""

from unimse_jax.labels.neighbours import NeighbouringNumbers
from unimse_jax.labels.schemes import (
  POLARITIES,
  EmotionScheme,
  LabelSchema,
  UniversalLabel,
)
from unimse_jax.labels.text import LabelText, ParsedLabel

__all__ = [
  "POLARITIES",
  "EmotionScheme",
  "LabelSchema",
  "LabelText",
  "NeighbouringNumbers",
  "ParsedLabel",
  "UniversalLabel",
]
