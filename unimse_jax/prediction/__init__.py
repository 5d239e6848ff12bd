"""Utterances in, universal labels with probabilities out."""

from unimse_jax.prediction.predictor import Clip, Prediction, Predictor

__all__ = ["Clip", "Prediction", "Predictor"]
