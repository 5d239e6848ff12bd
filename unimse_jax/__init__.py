"""UniMSE (EMNLP 2022) in JAX/Flax.

One T5 reads an utterance (its words with the turns around them, its voice, its
face) and writes a universal label: polarity, sentiment intensity, emotion.

    from unimse_jax import Clip, Predictor

    predictor = Predictor.from_workdir("runs/demo")
    print(predictor.predict([Clip(text="what a great film")]))

Training, evaluation and all else are commands: `python -m unimse_jax.train
--help`. What is named here is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from unimse_jax.data.records import CorpusRecords
  from unimse_jax.errors import InputError
  from unimse_jax.evaluation.metrics import emotion_scores, sentiment_scores
  from unimse_jax.prediction import Clip, Prediction, Predictor

# Name -> module that defines it.
_HOMES = {
  "Clip": "prediction",
  "CorpusRecords": "data.records",
  "InputError": "errors",
  "Prediction": "prediction",
  "Predictor": "prediction",
  "emotion_scores": "evaluation.metrics",
  "sentiment_scores": "evaluation.metrics",
}

__all__ = [
  "Clip",
  "CorpusRecords",
  "InputError",
  "Prediction",
  "Predictor",
  "__version__",
  "emotion_scores",
  "sentiment_scores",
]


def __getattr__(name: str) -> Any:
  if name == "__version__":
    from importlib import metadata

    return metadata.version(__name__)
  if name not in _HOMES:
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
  return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
  return sorted({*globals(), *__all__})
