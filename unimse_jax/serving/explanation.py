"""What the model says of a clip, and what each modality changes about it."""

import dataclasses
import pathlib
from typing import Any

from unimse_jax.errors import InputError
from unimse_jax.prediction import Clip, Prediction, Predictor
from unimse_jax.prediction.clips import MODALITIES

_TEXT = "text"


def explain(
  predictor: Predictor, text: str, media: pathlib.Path | None
) -> dict[str, Any]:
  """Predicts a clip, and again with each of its modalities withheld.

  Args:
    predictor: model to ask.
    text: spoken words; may be empty where there is a file.
    media: sound or video file; None: words alone.

  Returns:
    The prediction, as `Prediction.to_json`, and as "without" by name of the
    modality: the intensity, and the probability of each class that was written.
    Empty where the clip has one modality alone.

  Raises:
    InputError: the clip cannot be answered; with the reasons.
  """
  clip = Clip(text=text, media=media)
  if media is not None:
    (clip,) = predictor.exporter.extract_files([clip])
    if isinstance(clip, InputError):
      raise clip
  names = _present(clip)
  withheld = [_without(clip, name) for name in names if len(names) > 1]
  whole, *others = predictor.predict([clip, *withheld])
  if whole.error is not None:
    raise InputError("; ".join([whole.error, *clip.notes]))
  without = {
    name: _compared(other, whole)
    for name, other in zip(names, others, strict=bool(others))
  }
  return {**whole.to_json(), "without": without}


def _present(clip: Clip) -> list[str]:
  """The modalities that a clip has."""
  frames = [name for name in MODALITIES if _has_frames(clip, name)]
  return [_TEXT] * bool(clip.text.strip()) + frames


def _has_frames(clip: Clip, name: str) -> bool:
  frames = clip.frames[name]
  return frames is not None and len(frames) > 0


def _without(clip: Clip, name: str) -> Clip:
  return dataclasses.replace(clip, **{name: "" if name == _TEXT else None})


def _compared(other: Prediction, whole: Prediction) -> dict[str, Any]:
  """What a prediction says of the classes that another one wrote."""
  written = whole.parsed.fields
  return {
    "intensity": other.intensity,
    "probabilities": {
      slot: other.probabilities[slot][written[slot]]
      for slot in whole.probabilities
      if slot in other.probabilities and written.get(slot) is not None
    },
  }
