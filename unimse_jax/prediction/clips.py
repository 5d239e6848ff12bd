"""A clip as users give it, checked and made ready for the model."""

import dataclasses

import numpy as np

from unimse_jax.config import DataConfig
from unimse_jax.data import inputs
from unimse_jax.data.batching import Encoded
from unimse_jax.data.mixture import Example
from unimse_jax.data.records import RecordText
from unimse_jax.labels import UniversalLabel
from unimse_jax.pipeline import Pipeline

_NO_LABEL = UniversalLabel("", None, {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
  """One utterance.

  Attributes:
    text: what is said.
    audio: float[A, 64] log-Mel as the exporter makes it, or None.
    video: float[V, D] frame embeddings of the same backbone, or None.
    before: turns before it, nearest first.
    after: turns after it, nearest first.
    speaker, before_speakers, after_speakers: names, where the corpus that it
      was trained as has them.
    corpus: treat it like this corpus (case, speaker names); "" for neither.
  """

  text: str
  audio: np.ndarray | None = None
  video: np.ndarray | None = None
  before: tuple[str, ...] = ()
  after: tuple[str, ...] = ()
  speaker: str = ""
  before_speakers: tuple[str, ...] = ()
  after_speakers: tuple[str, ...] = ()
  corpus: str = ""


@dataclasses.dataclass(frozen=True)
class Prepared:
  """A clip as arrays, or why it cannot be one.

  Attributes:
    encoded: its tokens.
    frames: modality -> float32[L, N]; L = 0: absent.
    missing: modalities that the model reads and the clip lacks.
    notes: what of the clip is not read.
    error: all faults of the clip; None where there are none.
  """

  encoded: Encoded
  frames: dict[str, np.ndarray]
  missing: tuple[str, ...]
  notes: tuple[str, ...]
  error: str | None = None


def prepare(clip: Clip, pipeline: Pipeline) -> Prepared:
  """Checks a clip and encodes it; never raises for what a clip holds."""
  widths = {
    name: len(mean) for name, mean in pipeline.collator.transform.mean.items()
  }
  faults = _text_faults(clip)
  frames, notes = {}, []
  for name, width in widths.items():
    given = getattr(clip, name)
    values, fault = read_frames(given, name, widths)
    frames[name] = np.zeros((0, width), np.float32)
    if fault:
      faults.append(fault)
    else:
      frames[name] = values
  modalities = pipeline.config.data.modalities
  missing = tuple(name for name in modalities if not len(frames[name]))
  if not faults and not clip.text.strip() and len(missing) == len(modalities):
    faults.append("expected text, audio or video, found none of them")
  if faults:
    return Prepared(Encoded([], [], [], []), {}, (), (), "; ".join(faults))
  example = _example(clip)
  encoded = pipeline.encode(example)
  notes += _text_notes(example, encoded, pipeline)
  notes += _frame_notes(frames, pipeline.config.data)
  return Prepared(encoded, frames, missing, tuple(notes))


def _frame_notes(frames: dict[str, np.ndarray], data: DataConfig) -> list[str]:
  """What of long clips is not read as it is."""
  limits = {"audio": data.audio_frames, "video": data.video_frames}
  strides = {"audio": data.audio_stride, "video": 1}
  found = []
  for name in data.modalities:
    limit, count = limits[name], len(frames[name])
    read = limit * strides[name]
    if count > read and data.long_clips == "pool":
      found.append(f"{name}: {count} frames are averaged to {limit}")
    elif count > read:
      found.append(f"{name}: the first {read} of {count} frames are read")
  return found


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


def _text_notes(
  example: Example, encoded: Encoded, pipeline: Pipeline
) -> list[str]:
  """What of the text did not fit."""
  _, current, _ = inputs.turns(example, pipeline.config.text)
  own = len(pipeline.tokenizer.encode(current))
  read = encoded.segments.count(inputs.CURRENT)
  if not own:
    return ["text: empty"]
  return [f"text: the first {read} of {own} tokens are read"] * (read < own)


def _example(clip: Clip) -> Example:
  def names(given: tuple[str, ...], turns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(given) or ("",) * len(turns)

  record = RecordText(
    id="",
    dialogue="",
    turn=0,
    speaker=clip.speaker,
    text=clip.text,
    before=tuple(clip.before),
    after=tuple(clip.after),
    before_speakers=names(clip.before_speakers, clip.before),
    after_speakers=names(clip.after_speakers, clip.after),
    polarity="",
    intensity=None,
    emotion="",
    audio_frames=0,
    video_frames=0,
  )
  return Example(clip.corpus, 0, record, _NO_LABEL)
