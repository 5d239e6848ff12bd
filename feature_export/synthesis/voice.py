"""A voice: glottal pulses through the formants of a vowel per syllable.

Arousal raises loudness, pitch, its movement, tempo and brightness together,
as it does in speech, so that even the mean of a log-Mel spectrogram shows
it. Valence only nudges the formants (a smile shortens the vocal tract), by
less than speakers differ. A trembling voice is quiet and yet high.
"""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from feature_export.synthesis.affect import Affect

SAMPLE_RATE = 16000  # Hz

# First three formants of a, e, i, o, u in Hz and their bandwidths.
_VOWELS = (
  (750, 1200, 2600),
  (530, 1850, 2500),
  (300, 2250, 3000),
  (500, 900, 2500),
  (320, 800, 2400),
)
_BANDWIDTHS = (90, 110, 160)

_TREMBLE_RATE = 6.0  # Hz
_TREMBLE_SEMITONES = 16.0

_ROOM_NOISE = 10 ** (-66 / 20)  # amplitude, so that silence is not -inf dB


@dataclass(frozen=True)
class Speaker:
  """A person's voice: pitch in Hz, formant scale, loudness offset in dB."""

  pitch: float
  tract: float
  gain: float


def draw_speaker(generator: np.random.Generator) -> Speaker:
  """Draws a speaker; the spread is small beside the effect of arousal."""
  return Speaker(
    pitch=float(generator.uniform(105, 190)),
    tract=float(generator.uniform(0.92, 1.08)),
    gain=float(generator.uniform(-1.5, 1.5)),
  )


def _between(arousal: float, calm: float, aroused: float) -> float:
  return calm + (aroused - calm) * arousal


def duration(text: str, arousal: float) -> float:
  """Seconds that the sentence takes: 1 to 2, shorter when aroused."""
  # About 1.3 syllables a word is enough for a tempo that can be heard.
  rate = _between(arousal, 4.0, 7.0)
  return float(np.clip(1.3 * len(text.split()) / rate, 1.0, 2.0))


def _pulses(pitch: np.ndarray) -> np.ndarray:
  """A pulse at each cycle of the pitch contour float64[N] in Hz."""
  cycles = np.floor(np.cumsum(pitch / SAMPLE_RATE))
  return np.diff(cycles, prepend=0.0)


def _resonate(
  source: np.ndarray, formants: np.ndarray, brightness: float
) -> np.ndarray:
  """Shapes a source by three resonators and a one-pole low-pass.

  Args:
    source: float64[N].
    formants: float64[3], Hz.
    brightness: coefficient in (0, 1); the higher, the flatter the spectrum.
  """
  sound = lfilter([brightness], [1, brightness - 1], source)
  for frequency, width in zip(formants, _BANDWIDTHS, strict=True):
    radius = np.exp(-np.pi * width / SAMPLE_RATE)
    angle = 2 * np.pi * frequency / SAMPLE_RATE
    poles = [1, -2 * radius * np.cos(angle), radius**2]
    # Unit gain at 0 Hz keeps vowels about equally loud.
    sound = lfilter([sum(poles)], poles, sound)
  return sound


def _contour(
  affect: Affect,
  speaker: Speaker,
  samples: int,
  generator: np.random.Generator,
) -> np.ndarray:
  """Pitch in Hz, float64[N]: level and movement grow with arousal."""
  arousal = affect.arousal
  time = np.linspace(0, 1, samples)
  waves = np.sin(2 * np.pi * (2 * time + generator.uniform()))
  fall = 1.0 - 2.0 * time  # declination over the sentence
  semitones = _between(arousal, -4, 8) + _between(arousal, 0.3, 3) * waves
  if affect.trembles:
    semitones += _TREMBLE_SEMITONES
  return speaker.pitch * 2 ** ((semitones + fall) / 12)


def _syllables(
  source: np.ndarray,
  count: int,
  tract: float,
  brightness: float,
  generator: np.random.Generator,
) -> np.ndarray:
  """Turns a source float64[N] into `count` equal syllables, peaks at 1."""
  sound = np.zeros_like(source)
  edges = np.linspace(0, len(source), count + 1).astype(int)
  for start, end in zip(edges[:-1], edges[1:], strict=True):
    vowel = np.array(_VOWELS[generator.integers(len(_VOWELS))]) * tract
    # A raised half sine opens and closes the syllable without clicks.
    window = np.sin(np.pi * (np.arange(end - start) + 0.5) / (end - start))
    piece = _resonate(source[start:end], vowel, brightness)
    sound[start:end] = piece / (np.abs(piece).max() + 1e-9) * window**0.6
  return sound


def speak(
  affect: Affect,
  speaker: Speaker,
  seconds: float,
  generator: np.random.Generator,
) -> np.ndarray:
  """Synthesises a voice.

  Args:
    affect: feeling; its arousal (and trembling) is the strong cue in the
      voice, its valence a weak one.
    speaker: pitch, vocal tract and loudness of the person.
    seconds: length of the clip.
    generator: source of vowels, breath and room noise.

  Returns:
    float32[N] at 16 kHz, within [-1, 1].
  """
  samples = int(seconds * SAMPLE_RATE)
  arousal = affect.arousal
  pitch = _contour(affect, speaker, samples, generator)
  breath = _between(arousal, 0.05, 0.005) * generator.standard_normal(samples)
  sound = _syllables(
    _pulses(pitch) + breath,
    count=max(3, round(seconds * _between(arousal, 3.0, 6.5))),
    tract=speaker.tract * (1 + 0.07 * affect.valence),
    brightness=_between(arousal, 0.15, 0.75),
    generator=generator,
  )
  if affect.trembles:
    time = np.arange(samples) / SAMPLE_RATE
    sound *= 0.6 + 0.4 * np.sin(2 * np.pi * _TREMBLE_RATE * time)
  level = _between(arousal, -34, -14) + speaker.gain  # dB of full scale
  sound *= 10 ** (level / 20) / np.sqrt(np.mean(sound**2))
  sound += _ROOM_NOISE * generator.standard_normal(samples)
  return np.clip(sound, -1, 1).astype(np.float32)


def write_wav(path: Path, sound: np.ndarray) -> None:
  """Writes float32[N] in [-1, 1] as 16-bit mono PCM at 16 kHz."""
  with wave.open(str(path), "wb") as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(SAMPLE_RATE)
    file.writeframes(np.round(sound * 32767).astype("<i2").tobytes())
