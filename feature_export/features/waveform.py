"""Samples of a voice: at another rate, and as a log-Mel spectrogram."""

import functools
import importlib.util
import os
import pathlib
import tempfile
from dataclasses import dataclass

import numpy as np

from feature_export.features.settings import AudioSettings


@dataclass(frozen=True)
class Waveform:
  """float32[N] mono samples and their rate in Hz."""

  samples: np.ndarray
  rate: int


@functools.cache
def give_numba_a_cache() -> None:
  """Makes librosa load where neither it nor the home folder can be written.

  numba, which librosa uses, compiles into a cache beside the code or below the
  home folder, and refuses to start where both are read-only. NUMBA_CACHE_DIR
  names another place; if it is unset there, it becomes a folder of this user in
  the temporary directory.
  """
  beside = importlib.util.find_spec("librosa").origin
  places = (pathlib.Path(beside).parent, pathlib.Path.home())
  if any(place.is_dir() and os.access(place, os.W_OK) for place in places):
    return
  own = pathlib.Path(tempfile.gettempdir()) / f"numba_{os.getuid()}"
  os.environ.setdefault("NUMBA_CACHE_DIR", str(own))


def resample(waveform: Waveform, rate: int) -> np.ndarray:
  """The samples at another rate, in Hz; float32[N]."""
  give_numba_a_cache()
  import librosa

  return librosa.resample(
    waveform.samples,
    orig_sr=waveform.rate,
    target_sr=rate,
    res_type="soxr_hq",
  )


def compute_log_mel(waveform: Waveform, settings: AudioSettings) -> np.ndarray:
  """Turns samples into a log-Mel spectrogram.

  The reference is fixed (power 1.0) and nothing is clipped from above, so
  loudness stays comparable between clips and corpora.

  Returns:
    float16[A, mels] in dB with A = 1 + N // hop, N in samples at
    `settings.sample_rate`.
  """
  import librosa

  samples = resample(waveform, settings.sample_rate)
  # librosa warns when a clip is shorter than its window. Zeros after the clip
  # change no value, because frames are padded with zeros anyway.
  frames = 1 + len(samples) // settings.hop
  samples = np.pad(samples, (0, max(0, settings.window - len(samples))))
  power = librosa.feature.melspectrogram(
    y=samples,
    sr=settings.sample_rate,
    n_fft=settings.window,
    hop_length=settings.hop,
    n_mels=settings.mels,
    window="hann",
    center=True,
    pad_mode="constant",
    power=2.0,
  )
  decibel = librosa.power_to_db(
    power[:, :frames], ref=1.0, amin=settings.floor, top_db=None
  )
  return decibel.T.astype(np.float16)
