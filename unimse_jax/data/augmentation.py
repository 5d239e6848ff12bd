"""Voices that are changed at random, so that training hears none twice.

Masks as in SpecAugment (Park et al., "SpecAugment: A Simple Data Augmentation
Method for Automatic Speech Recognition", Interspeech 2019, section 2), without
its time warping; speed and level as in Ko et al., "Audio Augmentation for
Speech Recognition", Interspeech 2015, on the Mel-spectrogram instead of the
wave: the bands stay where they are when the speed changes.
"""

import numpy as np

from unimse_jax.config import AugmentConfig


def is_on(config: AugmentConfig) -> bool:
  """Whether the config changes anything."""
  return any(
    (config.time_masks, config.frequency_masks, config.level, config.speed)
  )


def perturb(
  audio: np.ndarray, config: AugmentConfig, rng: np.random.Generator
) -> np.ndarray:
  """The voice at another speed and level.

  Args:
    audio: float[A, 64] in dB.
    config: the greatest changes.
    rng: random generator of this row at this step.

  Returns:
    float32[A', 64] in dB; A' is A over the speed, in whole frames that are
    interpolated between their neighbours.
  """
  speed = 1 + rng.uniform(-config.speed, config.speed)
  shift = rng.uniform(-config.level, config.level)
  audio = audio.astype(np.float32)
  if not len(audio):
    return audio
  places = np.linspace(0, len(audio) - 1, max(1, round(len(audio) / speed)))
  before = places.astype(np.int64)
  after = np.minimum(before + 1, len(audio) - 1)
  share = (places - before).astype(np.float32)[:, None]
  stretched = audio[before] * (1 - share) + audio[after] * share
  return stretched + np.float32(shift)


def mask(
  audio: np.ndarray, config: AugmentConfig, rng: np.random.Generator
) -> np.ndarray:
  """The voice with some spans of frames and some of bands silenced.

  Args:
    audio: float32[A, 64] of mean 0; it is not changed.
    config: number of spans and their greatest widths.
    rng: random generator of this row at this step.

  Returns:
    float32[A, 64], 0 in the spans, whose widths and places are uniform.
  """
  audio = audio.copy()
  frames, bands = audio.shape
  for _ in range(config.time_masks):
    audio[_span(frames, int(config.time_share * frames), rng)] = 0
  for _ in range(config.frequency_masks):
    audio[:, _span(bands, min(config.frequency_bands, bands), rng)] = 0
  return audio


def _span(length: int, widest: int, rng: np.random.Generator) -> slice:
  width = int(rng.integers(widest + 1))
  start = int(rng.integers(length - width + 1))
  return slice(start, start + width)
