"""A long file's sound comes in pieces, at the times of the player's clock."""

import numpy as np
import pytest

from feature_export.errors import MediaError
from feature_export.features.sound_stream import stream_samples


def _write_sound(path, pieces, rate: int = 16000) -> None:
  """Writes (start in s, float32[N]) pieces as PCM in Matroska."""
  import av

  with av.open(str(path), "w") as container:
    stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
    for start, samples in pieces:
      values = (samples * 32767).astype(np.int16)
      frame = av.AudioFrame.from_ndarray(values[None], "s16", "mono")
      frame.sample_rate, frame.pts = rate, round(start * rate)
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def test_samples_are_those_of_the_file(tmp_path):
  import soundfile

  samples = np.random.default_rng(0).uniform(-0.5, 0.5, 40000)
  soundfile.write(tmp_path / "a.wav", samples, 16000, "FLOAT")
  pieces = list(stream_samples(tmp_path / "a.wav", 16000))
  assert len(pieces) > 5
  np.testing.assert_array_equal(
    np.concatenate(pieces), samples.astype(np.float32)
  )


def test_another_rate_and_two_channels_become_one_of_16_khz(tmp_path):
  import soundfile

  time = np.arange(3 * 44100) / 44100
  tone = 0.5 * np.sin(2 * np.pi * 440 * time)
  soundfile.write(tmp_path / "a.wav", np.stack([tone, 0 * tone], 1), 44100)
  found = np.concatenate(list(stream_samples(tmp_path / "a.wav", 16000)))
  assert len(found) == pytest.approx(48000, abs=32)
  middle = found[8000:40000]
  # The mean of both channels, to 1 % (16 bits and the resampler's ripple).
  assert np.abs(middle).max() == pytest.approx(0.25, rel=0.01)
  power = np.abs(np.fft.rfft(middle))
  assert np.argmax(power) == 440 * len(middle) // 16000


def test_what_is_lost_is_silent_and_what_comes_twice_is_left_out(tmp_path):
  loud = np.full(16000, 0.5, np.float32)
  # One second is missing, and one is there a second time.
  _write_sound(tmp_path / "a.mkv", [(0, loud), (2, loud), (2, loud)])
  found = np.concatenate(list(stream_samples(tmp_path / "a.mkv", 16000)))
  seconds = np.abs(found).reshape(3, 16000).mean(1)
  np.testing.assert_allclose(seconds, [0.5, 0, 0.5], atol=1e-3)


def test_a_file_without_sound_is_refused(tmp_path, write_video):
  with pytest.raises(MediaError, match="no sound track"):
    list(stream_samples(write_video(tmp_path / "a.mp4", [0, 99]), 16000))
  (tmp_path / "b.mp4").write_text("none")
  with pytest.raises(MediaError, match="unreadable"):
    list(stream_samples(tmp_path / "b.mp4", 16000))
