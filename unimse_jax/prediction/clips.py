"""A clip as users give it, checked and read."""

import dataclasses

import numpy as np

from unimse_jax.config import DataConfig
from unimse_jax.data import inputs
from unimse_jax.data.batching import Encoded
from unimse_jax.data.utterance import Utterance
from unimse_jax.errors import InputError
from unimse_jax.pipeline import Pipeline


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip(Utterance):
  """An utterance of the user's, with its voice and face.

  Attributes:
    audio: float[A, 64] log-Mel as the exporter makes it; None: absent.
    video: float[V, D] frame embeddings of the same backbone; None: absent.
  """

  audio: np.ndarray | None = None
  video: np.ndarray | None = None

  @property
  def frames(self) -> dict[str, np.ndarray | None]:
    """Modality -> its frames."""
    return {"audio": self.audio, "video": self.video}


def read(clip: Clip, pipeline: Pipeline) -> Clip:
  """The clip with frames as float32[L, N], L = 0: absent.

  Raises:
    InputError: it cannot be read; with all its faults.
  """
  widths = {
    name: len(mean) for name, mean in pipeline.collator.transform.mean.items()
  }
  faults = _text_faults(clip)
  frames = {}
  for name in widths:
    frames[name], fault = read_frames(clip.frames[name], name, widths)
    if fault:
      faults.append(fault)
  absent = not any(
    len(frames[name]) for name in pipeline.config.data.modalities
  )
  if not faults and absent and not clip.text.strip():
    faults.append("expected text, audio or video, found none of them")
  if faults:
    raise InputError("; ".join(faults))
  return dataclasses.replace(clip, **frames)


def notes(clip: Clip, encoded: Encoded, pipeline: Pipeline) -> tuple[str, ...]:
  """What of a clip is not read as it was given.

  Args:
    clip: clip that `read` returned.
    encoded: its tokens.
    pipeline: pipeline that reads it.
  """
  text = _text_notes(clip, encoded, pipeline)
  return (*text, *_frame_notes(clip.frames, pipeline.config.data))


def _frame_notes(frames: dict[str, np.ndarray], data: DataConfig) -> list[str]:
  """What of long clips is not read as it is."""
  limits = {"audio": data.audio_frames, "video": data.video_frames}
  strides = {"audio": data.audio_stride, "video": 1}
  told = []
  for name in data.modalities:
    limit, count = limits[name], len(frames[name])
    read = limit * strides[name]
    if count > read and data.long_clips == "pool":
      told.append(f"{name}: {count} frames are averaged to {limit}")
    elif count > read:
      told.append(f"{name}: the first {read} of {count} frames are read")
  return told


def read_frames(
  given: object, name: str, widths: dict[str, int]
) -> tuple[np.ndarray, str]:
  """float32[L, N] of a modality, and what is wrong with it ("" if nothing)."""
  width = widths[name]
  absent = np.zeros((0, width), np.float32)
  if given is None:
    return absent, ""
  try:
    values = np.asarray(given)
  except ValueError:  # rows of unequal length
    return absent, f"{name}: expected an array [frames, {width}], found none"
  if values.dtype.kind not in "fiu":
    return absent, f"{name}: expected numbers, found {values.dtype}"
  if values.ndim and not values.shape[0]:
    return absent, ""
  if values.ndim != 2 or values.shape[1] != width:
    others = [each for each, size in widths.items() if each != name]
    swapped = values.ndim == 2 and values.shape[1] in map(widths.get, others)
    advice = f"; that is {others[0]}: were the two swapped?" if swapped else ""
    return absent, (
      f"{name}: expected frames of width {width}, found shape "
      f"{values.shape}{advice}"
    )
  with np.errstate(over="ignore"):  # told below
    values = values.astype(np.float32)
  broken = int((~np.isfinite(values)).any(1).sum())
  if broken:
    return absent, (
      f"{name}: expected finite numbers, found NaN, infinite or too large "
      f"ones in {broken} of {len(values)} frames"
    )
  return values, ""


def _text_faults(clip: Clip) -> list[str]:
  faults = []
  for name in ("before", "after", "before_speakers", "after_speakers"):
    turns = getattr(clip, name)
    if not isinstance(turns, tuple | list) or not all(map(_is_text, turns)):
      faults.append(f"{name}: expected a tuple of texts, found {turns!r:.60}")
  for name in ("text", "speaker", "corpus"):
    if not _is_text(getattr(clip, name)):
      faults.append(
        f"{name}: expected a text, found {getattr(clip, name)!r:.60}"
      )
  for side in ("before", "after") if not faults else ():
    turns, names = getattr(clip, side), getattr(clip, f"{side}_speakers")
    if names and len(names) != len(turns):
      faults.append(
        f"{side}_speakers: expected {len(turns)} names, found {len(names)}"
      )
  return faults


def _is_text(value: object) -> bool:
  """Whether it is a string that UTF-8 can hold; half a surrogate cannot."""
  try:
    return isinstance(value, str) and bool(value.encode() or True)
  except UnicodeEncodeError:
    return False


def _text_notes(clip: Clip, encoded: Encoded, pipeline: Pipeline) -> list[str]:
  """What of the text did not fit."""
  _, current, _ = inputs.turns(clip, pipeline.config.text)
  own = len(pipeline.tokenizer.encode(current))
  read = encoded.segments.count(inputs.CURRENT)
  if not own:
    return ["text: empty"]
  return [f"text: the first {read} of {own} tokens are read"] * (read < own)
