"""The universal label: what may be said, and how it is written."""

from unimse_jax.labels.balance import (
  ClassWeights,
  class_weights,
  count_classes,
)
from unimse_jax.labels.neighbours import NeighbouringNumbers
from unimse_jax.labels.schemes import (
  INTENSITY,
  INTENSITY_RANGE,
  POLARITIES,
  EmotionScheme,
  LabelSchema,
  UniversalLabel,
  polarity_of_number,
)
from unimse_jax.labels.text import LabelText, ParsedLabel

__all__ = [
  "INTENSITY",
  "INTENSITY_RANGE",
  "POLARITIES",
  "ClassWeights",
  "EmotionScheme",
  "LabelSchema",
  "LabelText",
  "NeighbouringNumbers",
  "ParsedLabel",
  "UniversalLabel",
  "class_weights",
  "count_classes",
  "polarity_of_number",
]
