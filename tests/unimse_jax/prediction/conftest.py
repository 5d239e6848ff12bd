"""A tiny run that reads features as the exporter makes them of real media."""

import dataclasses

import numpy as np
import pytest

from feature_export.features.efficientnet import find_weights
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  VideoSettings,
)
from feature_export.files import hash_file
from feature_export.records.schema import hash_settings
from unimse_jax.data.features import FeatureTransform
from unimse_jax.prediction import Predictor


@pytest.fixture(scope="session")
def settings() -> dict:
  """What a run's model.json says of features that this exporter makes."""
  weights = find_weights("efficientnet_lite0", None)
  video = VideoSettings("efficientnet_lite0", hash_file(weights), 32, 2)
  audio = AudioSettings(max_seconds=1.0)
  described = ExtractionSettings(audio, video).describe()
  return {**described, "settings_sha256": hash_settings(described)}


@pytest.fixture(scope="session")
def predictor(straight, settings) -> Predictor:
  """The tiny run as if it had been trained on features of real media."""
  opened = Predictor.from_workdir(straight)
  pipeline = opened.pipeline
  own = pipeline.collator.transform
  rng = np.random.default_rng(0)
  widths = {"audio": 64, "video": 1280}
  transform = FeatureTransform(
    mean={name: np.zeros(width) for name, width in widths.items()},
    components={
      name: rng.standard_normal((width, own.width(name))).astype(np.float32)
      for name, width in widths.items()
    },
    scale=own.scale,
  )
  pipeline = dataclasses.replace(
    pipeline,
    collator=dataclasses.replace(pipeline.collator, transform=transform),
    extraction=settings,
  )
  return Predictor(pipeline, opened._params, opened._labeller._mesh)
