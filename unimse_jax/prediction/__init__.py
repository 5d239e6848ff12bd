"""Utterances in, universal labels with probabilities out."""

from unimse_jax.prediction.clips import Clip
from unimse_jax.prediction.predictor import Prediction, Predictor

__all__ = ["Clip", "Prediction", "Predictor"]
