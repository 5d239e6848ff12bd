"""Where somebody speaks, by the network silero-vad, which its package ships."""

import importlib.util
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from feature_export.errors import InputError
from feature_export.features.sound_stream import stream_samples
from feature_export.segmentation.cues import LONGEST, Cue

RATE = 16000  # Hz
_BLOCK = 512  # samples; what the network takes at once
_SETTINGS = {
  "threshold": 0.5,  # the network's own
  # A shorter pause is one within a sentence, as between two phrases.
  "min_silence_duration_ms": 300,
  "min_speech_duration_ms": 250,
  "speech_pad_ms": 100,  # so that no soft sound is cut off
  "max_speech_duration_s": LONGEST,
}


def find_speech(path: Path, seconds: float) -> list[Cue]:
  """Finds stretches of speech of 0.25 to 15 s, parted by 0.3 s of silence.

  Args:
    path: file with a sound track.
    seconds: its length, for the progress bar; 0: unknown.

  Returns:
    Cues without words.

  Raises:
    InputError: silero-vad is not installed.
    MediaError: no sound track, or none that can be decoded.
  """
  if importlib.util.find_spec("silero_vad") is None:
    raise InputError(
      "Without a transcript, speech is found by silero-vad, which is not "
      'installed. Install it: pip install ".[export]"; or give --transcript.'
    )
  from silero_vad import get_speech_timestamps_from_probs

  probabilities, count = [], 0
  for probability, length in _probabilities(path, seconds):
    probabilities.append(probability)
    count += length
  found = get_speech_timestamps_from_probs(
    probabilities, RATE, audio_length_samples=count, **_SETTINGS
  )
  return [Cue(each["start"] / RATE, each["end"] / RATE) for each in found]


def _probabilities(path: Path, seconds: float) -> Iterator[tuple[float, int]]:
  """Yields the probability of speech of each block, and its samples."""
  import torch
  from silero_vad import load_silero_vad
  from tqdm import tqdm

  with warnings.catch_warnings():
    # That TorchScript is old; the package ships its network as that.
    warnings.simplefilter("ignore", FutureWarning)
    model = load_silero_vad()
  with (
    torch.inference_mode(),
    tqdm(
      total=round(seconds) or None, desc="speech", unit=" s", disable=None
    ) as bar,
  ):
    for block, length in _blocks(stream_samples(path, RATE)):
      yield model(torch.from_numpy(block), RATE).item(), length
      bar.update(length / RATE)


def _blocks(pieces: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, int]]:
  """Yields float32[512] and how many of these the sound has; the rest is 0."""
  rest = np.zeros(0, np.float32)
  for piece in pieces:
    rest = np.concatenate([rest, piece])
    whole = len(rest) - len(rest) % _BLOCK
    for start in range(0, whole, _BLOCK):
      yield rest[start : start + _BLOCK], _BLOCK
    rest = rest[whole:]
  if len(rest):
    yield np.pad(rest, (0, _BLOCK - len(rest))), len(rest)
