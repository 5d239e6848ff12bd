"""Tests of decoding and of the log-Mel spectrogram."""

import numpy as np
import pytest
import soundfile

from feature_export.corpora.utterance import Media
from feature_export.errors import MediaError
from feature_export.features.audio import extract_audio, read_waveform
from feature_export.features.findings import Inspection
from feature_export.features.settings import AudioSettings
from feature_export.features.waveform import Waveform, compute_log_mel

SETTINGS = AudioSettings()


def _inspect(settings: AudioSettings = SETTINGS) -> Inspection:
  return Inspection(settings.policies)


def _read(media: Media):
  return read_waveform(media, SETTINGS, _inspect())


def _extract(media: Media, settings: AudioSettings = SETTINGS):
  """Features and the kinds that were found."""
  inspection = _inspect(settings)
  features = extract_audio(media, settings, inspection)
  return features, [each.kind for each in inspection.findings()]


def _reference_mel(samples: np.ndarray) -> np.ndarray:
  """The same spectrogram from its definition, filters aside, in float64."""
  import librosa

  padded = np.pad(samples.astype(np.float64), 512)
  # The periodic Hann window, which a DFT wants.
  window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
  frames = np.stack(
    [
      padded[start : start + 1024] * window
      for start in range(0, len(padded) - 1023, 512)
    ]
  )
  power = np.abs(np.fft.rfft(frames)) ** 2
  mel = power @ librosa.filters.mel(sr=16000, n_fft=1024, n_mels=64).T
  return 10 * np.log10(np.maximum(mel, 1e-10))


def test_log_mel_equals_its_definition():
  samples = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)
  found = compute_log_mel(Waveform(samples, 16000), SETTINGS)
  assert found.dtype == np.float16
  # float16 has 11 bits: half a step at 64 dB is 0.016 dB.
  np.testing.assert_allclose(found, _reference_mel(samples), atol=0.03)


def test_five_seconds_are_157_frames():
  samples = np.full(80000, 0.1, np.float32)
  found = compute_log_mel(Waveform(samples, 16000), SETTINGS)
  assert found.shape == (157, 64)


def test_loudness_is_kept():
  samples = np.random.default_rng(0).normal(0, 0.01, 8000).astype(np.float32)
  quiet = compute_log_mel(Waveform(samples, 16000), SETTINGS)
  loud = compute_log_mel(Waveform(samples * 10, 16000), SETTINGS)
  # A factor of 10 is 20 dB in every bin, whatever the clip's maximum.
  np.testing.assert_allclose(loud.astype(np.float32) - quiet, 20.0, atol=0.06)


def test_clip_shorter_than_the_window():
  samples = np.random.default_rng(0).normal(0, 0.1, 600).astype(np.float32)
  found = compute_log_mel(Waveform(samples, 16000), SETTINGS)
  assert found.shape == (2, 64)
  np.testing.assert_allclose(found, _reference_mel(samples), atol=0.03)


def test_resampling_keeps_the_pitch(tmp_path, write_tone):
  low = write_tone(tmp_path / "16.wav", rate=16000)
  high = write_tone(tmp_path / "48.wav", rate=48000)
  (first, _), (second, _) = (_extract(Media(path)) for path in (low, high))
  assert first.shape == second.shape
  assert first.mean(axis=0).argmax() == second.mean(axis=0).argmax()


def test_start_and_end_cut_to_the_sample(tmp_path):
  path = tmp_path / "ramp.wav"
  soundfile.write(path, np.arange(1, 8001) / 16000, 16000, subtype="FLOAT")
  cut = _read(Media(path, 0.1, 0.2))
  np.testing.assert_array_equal(
    cut.samples, (np.arange(1601, 3201) / 16000).astype(np.float32)
  )


def test_stereo_becomes_the_mean(tmp_path):
  path = tmp_path / "stereo.wav"
  left = np.linspace(-0.5, 0.5, 1600)
  channels = np.stack([left, left + 0.25], axis=1)
  soundfile.write(path, channels, 16000, subtype="FLOAT")
  np.testing.assert_array_equal(
    _read(Media(path)).samples, np.float32(channels).mean(axis=1)
  )


def test_long_clips_are_cut_and_said_so(tmp_path, write_tone):
  settings = AudioSettings(max_seconds=1.0)
  longer = write_tone(tmp_path / "longer.wav", seconds=1.5)
  exact = write_tone(tmp_path / "exact.wav", seconds=1.0)
  found, kinds = _extract(Media(longer), settings)
  assert kinds == ["too_long"]
  assert len(found) == 1 + 16000 // 512
  assert _extract(Media(exact), settings)[1] == []


def test_sound_track_of_a_video(tmp_path, write_video):
  path = write_video(tmp_path / "clip.mp4", [50] * 20, tone=True)
  found, kinds = _extract(Media(path))
  assert kinds == []
  # AAC adds a frame or two of 1024 samples at the end.
  assert len(found) == pytest.approx(1 + 2 * 31.25, abs=4)
  part, _ = _extract(Media(path, 0.5, 1.5))
  assert len(part) == 1 + 16000 // 512
  # 440 Hz, as the same tone in a wav file shows it.
  wav = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
  tone = compute_log_mel(Waveform(wav.astype(np.float32), 16000), SETTINGS)
  assert part.mean(axis=0).argmax() == tone.mean(axis=0).argmax()


@pytest.mark.parametrize(
  ("samples", "reason"),
  [
    (np.zeros(16000), "silence"),
    (np.zeros(0), "out_of_range"),
    (np.array([0.1, np.nan, 0.1]), "not_finite"),
    (np.array([0.1, -np.inf, 0.1]), "not_finite"),
  ],
)
def test_unusable_samples(tmp_path, samples, reason):
  path = tmp_path / "bad.wav"
  soundfile.write(path, samples, 16000, subtype="FLOAT")
  with pytest.raises(MediaError, match=reason):
    _extract(Media(path))


def test_unreadable_files(tmp_path, write_tone, write_video):
  for name in ("text.wav", "text.mp4"):
    (tmp_path / name).write_text("no media at all")
    with pytest.raises(MediaError, match="unreadable"):
      _extract(Media(tmp_path / name))
  with pytest.raises(MediaError, match="missing"):
    _extract(Media(tmp_path / "gone.wav"))
  silent_film = write_video(tmp_path / "film.mp4", [50] * 5)
  with pytest.raises(MediaError, match="no_track"):
    _extract(Media(silent_film))
  tone = write_tone(tmp_path / "tone.wav")
  with pytest.raises(MediaError, match="out_of_range"):
    _extract(Media(tone, 10.0, 11.0))


def test_sound_that_starts_late_has_its_end_by_the_players_clock(
  tmp_path, write_video
):
  """Pictures from 0 to 4 s, sound from 2 to 4: its duration is no end."""
  path = tmp_path / "late.mp4"
  levels = [10 * n for n in range(20)] * 2
  options = {"tone": True, "late_tone": 2.0, "movflags": "faststart"}
  write_video(path, levels, **options)
  assert len(_read(Media(path, 2.5, 3.5)).samples) == 16000
  assert _extract(Media(path))[1] == ["gaps"]
  # The end of the file is lost: most of what should be there until 4 s.
  content = path.read_bytes()
  path.write_bytes(content[: len(content) * 3 // 5])
  assert "short" in _extract(Media(path))[1]
