import wave

import numpy as np
import pytest

from feature_export.synthesis import voice
from feature_export.synthesis.affect import Affect

_SPEAKER = voice.Speaker(pitch=130.0, tract=1.0, gain=0.0)


def _speak(affect: Affect, seed: int = 0) -> np.ndarray:
  generator = np.random.default_rng(seed)
  return voice.speak(affect, _SPEAKER, 1.5, generator)


def _level(sound: np.ndarray) -> float:
  """dB of full scale."""
  return 10 * np.log10(np.mean(sound.astype(np.float64) ** 2))


def _brightness(sound: np.ndarray) -> float:
  """Centre of the power spectrum in Hz."""
  power = np.abs(np.fft.rfft(sound)) ** 2
  return np.average(np.fft.rfftfreq(len(sound), 1 / 16000), weights=power)


def _pitch(sound: np.ndarray) -> float:
  """Median pitch in Hz, by autocorrelation in windows of 40 ms."""
  # A short window tapers long lags: the octave below loses.
  lags = np.arange(16000 // 400, 16000 // 90)
  pitches = []
  for start in range(0, len(sound) - 640, 320):
    spectrum = np.abs(np.fft.rfft(sound[start : start + 640], 1280)) ** 2
    correlation = np.fft.irfft(spectrum)
    pitches.append(16000 / lags[correlation[lags].argmax()])
  return float(np.median(pitches))


def test_shape_range_and_length():
  sound = _speak(Affect("anger", -1, 1.0))
  assert sound.dtype == np.float32
  assert sound.shape == (24000,)
  assert np.isfinite(sound).all()
  assert np.abs(sound).max() <= 1


def test_same_generator_same_sound():
  affect = Affect("joy", 1, 0.5)
  np.testing.assert_array_equal(_speak(affect), _speak(affect))
  assert not np.array_equal(_speak(affect), _speak(affect, seed=1))


def test_arousal_makes_it_louder_higher_and_brighter():
  low, middle, high = (_speak(Affect("joy", 1, each)) for each in (0, 0.5, 1))
  # 20 dB from calm to excited by construction; speakers differ by 3.
  assert _level(middle) - _level(low) > 8
  assert _level(high) - _level(middle) > 8
  assert _pitch(low) < _pitch(middle) < _pitch(high)
  assert _brightness(low) < _brightness(high)


def test_trembling_is_quiet_and_high():
  fear, sadness = (_speak(Affect(e, -1, 0.1)) for e in ("fear", "sadness"))
  assert abs(_level(fear) - _level(sadness)) < 1
  assert _pitch(fear) > 1.8 * _pitch(sadness)


def test_duration_follows_words_and_tempo_within_limits():
  text = "one two three four five six"
  assert voice.duration(text, 1.0) == pytest.approx(1.3 * 6 / 7.0)
  assert voice.duration(text, 0.0) == pytest.approx(1.3 * 6 / 4.0)
  assert voice.duration("a", 1.0) == 1.0
  assert voice.duration("a " * 50, 0.0) == 2.0


def test_wav_file(tmp_path):
  voice.write_wav(tmp_path / "a.wav", np.array([0, 1, -1], np.float32))
  with wave.open(str(tmp_path / "a.wav")) as file:
    assert file.getframerate() == 16000
    assert file.getnchannels() == 1
    samples = np.frombuffer(file.readframes(3), "<i2")
  assert samples.tolist() == [0, 32767, -32767]
