"""Utterances in, universal labels with probabilities out."""

from unimse_jax.prediction.clips import Clip
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.prediction.predictor import Predictor
from unimse_jax.prediction.recordings import Recording, TimedPrediction

__all__ = ["Clip", "Prediction", "Predictor", "Recording", "TimedPrediction"]
