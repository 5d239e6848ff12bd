"""A clip as users give it, checked and read."""

import dataclasses
import numbers
import os
import reprlib
import unicodedata
from typing import Any

import numpy as np

from unimse_jax.config import DataConfig, TextConfig
from unimse_jax.data import inputs
from unimse_jax.data.batching import Encoded
from unimse_jax.data.utterance import Utterance
from unimse_jax.errors import InputError
from unimse_jax.pipeline import Pipeline

MODALITIES = ("audio", "video")
_INVISIBLE = ("Cc", "Cf")  # Unicode's categories of control and format marks
Path = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip(Utterance):
  """An utterance of the user's, with its voice and face.

  Attributes:
    text: spoken words; may be empty where there is a voice or a face.
    audio: float[A, 64] log-Mel as the exporter makes it, or a media file that
      has a sound track; None: `media`, or absent.
    video: float[V, D] frame embeddings of the same backbone, or a media file;
      None: `media`, or absent.
    media: file that holds what audio and video do not name.
    start, end: seconds that are read of the files; None: from the start, to
      the end.
    notes: remarks that the prediction repeats, such as the exporter's.
  """

  text: str = ""
  audio: np.ndarray | Path | None = None
  video: np.ndarray | Path | None = None
  media: Path | None = None
  start: float | None = None
  end: float | None = None
  notes: tuple[str, ...] = ()

  @property
  def files(self) -> dict[str, Path]:
    """Modality -> the media file that it has to be extracted from."""
    named = {
      name: self.media if getattr(self, name) is None else getattr(self, name)
      for name in MODALITIES
    }
    return {
      name: file
      for name, file in named.items()
      if isinstance(file, str | os.PathLike)
    }

  @property
  def frames(self) -> dict[str, np.ndarray | None]:
    """Modality -> its frames."""
    return {name: getattr(self, name) for name in MODALITIES}


def manifest_row(clip: Clip) -> dict[str, Any]:
  """The row of the exporter's manifest that extracts a clip's files.

  Raises:
    InputError: a start or an end that is no number.
  """
  times = {"start": clip.start, "end": clip.end}
  faults = [
    f"{name}: expected seconds, found {reprlib.repr(value)}"
    for name, value in times.items()
    if not (value is None or isinstance(value, numbers.Real))
  ]
  if faults:
    raise InputError("; ".join(faults))
  files = {name: os.fspath(file) for name, file in clip.files.items()}
  given = {name: float(v) for name, v in times.items() if v is not None}
  return {"text": "", **files, **given}


def read(clip: Clip, pipeline: Pipeline) -> Clip:
  """The clip with frames as float32[L, N], L = 0: absent.

  Raises:
    InputError: it cannot be read; with all its faults.
  """
  if not isinstance(clip, Clip):
    raise InputError(f"expected a Clip, found {reprlib.repr(clip)}")
  widths = {
    name: len(mean) for name, mean in pipeline.collator.transform.mean.items()
  }
  data = pipeline.config.data
  faults = _text_faults(clip)
  if not faults and clip.corpus not in ("", *data.corpora):
    faults.append(
      f"corpus: expected one that the run was trained on "
      f"({', '.join(data.corpora)}) or none, found {clip.corpus!r}"
    )
  frames = {}
  for name in widths:
    frames[name], fault = read_frames(clip.frames[name], name, widths)
    if fault:
      faults.append(fault)
  absent = not any(len(frames[name]) for name in data.modalities)
  if not faults and absent and _is_blank(clip.text):
    faults.append("expected text, audio or video, found none of them")
  if faults:
    raise InputError("; ".join(faults))
  text = "" if _is_blank(clip.text) else clip.text
  return dataclasses.replace(clip, text=text, **frames)


def notes(clip: Clip, encoded: Encoded, pipeline: Pipeline) -> tuple[str, ...]:
  """What of a clip is not read as it was given.

  Args:
    clip: clip that `read` returned.
    encoded: its tokens.
    pipeline: pipeline that reads it.
  """
  return (
    *clip.notes,
    *_text_notes(clip, encoded, pipeline),
    *_speaker_notes(clip, pipeline.config.text),
    *_frame_notes(clip.frames, pipeline.config.data),
  )


def _frame_notes(frames: dict[str, np.ndarray], data: DataConfig) -> list[str]:
  """What of long clips is not read as it is."""
  strides = {"audio": data.audio_stride, "video": 1}
  told = []
  for name, limit in data.frames.items():
    count = len(frames[name])
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
  # Rows of unequal length; and what array-likes of others raise.
  except Exception:
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
      faults.append(
        f"{name}: expected a tuple of texts, found {reprlib.repr(turns)}"
      )
  for name in ("text", "speaker", "corpus"):
    if not _is_text(getattr(clip, name)):
      faults.append(
        f"{name}: expected a text, found {reprlib.repr(getattr(clip, name))}"
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


def _is_blank(text: str) -> bool:
  """Whether nobody would see any of it: spaces, marks without a width."""
  return all(
    letter.isspace() or unicodedata.category(letter) in _INVISIBLE
    for letter in text
  )


def _text_notes(clip: Clip, encoded: Encoded, pipeline: Pipeline) -> list[str]:
  """What of the text did not fit."""
  _, current, _ = inputs.turns(clip, pipeline.config.text)
  own = len(pipeline.tokenizer.encode(current))
  read = encoded.segments.count(inputs.CURRENT)
  if not own or not clip.text:
    return ["text: empty"]
  return [f"text: the first {read} of {own} tokens are read"] * (read < own)


def _speaker_notes(clip: Clip, config: TextConfig) -> list[str]:
  """That names are not read, where there are any."""
  named = any((clip.speaker, *clip.before_speakers, *clip.after_speakers))
  if not named or inputs.reads_speakers(clip.corpus, config):
    return []
  readers = dict.fromkeys((*config.speakers, *config.same_speaker))
  if not readers:
    return ["speaker: not read; the run was trained without names"]
  return [
    f"speaker: not read; the run reads names where corpus is one of "
    f"{', '.join(readers)}"
  ]
