"""Tests of containers, codecs, channels, rates, seeking and turning."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from feature_export.corpora.utterance import Media
from feature_export.features.audio import read_waveform
from feature_export.features.findings import Inspection, default_policies
from feature_export.features.settings import AudioSettings, VideoSettings
from feature_export.features.video import extract_frames

SETTINGS = AudioSettings()
SECONDS = 4
# codec of each container, and whether it gives the samples back exactly
CONTAINERS = {
  "wav": ("pcm_s16le", True),
  "flac": ("flac", True),
  "mp3": ("libmp3lame", False),
  "mp4": ("aac", False),
  "mkv": ("libopus", False),
  "avi": ("libmp3lame", False),
}


def _frames(count: int) -> VideoSettings:
  return VideoSettings("none", "0" * 64, frames=count)


def _noise(rate: int, channels: int) -> np.ndarray:
  """Low noise whose loudness changes, so that every place is its own."""
  generator = np.random.default_rng(0)
  count = SECONDS * rate
  smooth = np.convolve(generator.normal(size=count), np.ones(16) / 16, "same")
  loud = 0.2 + 0.2 * np.sin(np.arange(count) / rate * 7) ** 2
  shares = np.linspace(1, 0.5, channels)[:, None]
  return (shares * smooth * loud).astype(np.float32)


def _write_sound(
  path: Path, samples: np.ndarray, rate: int, layout: str
) -> Path:
  import av

  codec = CONTAINERS[path.suffix[1:]][0]
  with av.open(str(path), "w") as container:
    stream = container.add_stream(codec, rate=rate, layout=layout)
    for first in range(0, samples.shape[1], 1000):
      part = np.ascontiguousarray(samples[:, first : first + 1000])
      frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
      frame.sample_rate, frame.pts = rate, first
      frame.time_base = Fraction(1, rate)
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
  return path


def _read(path: Path, *interval: float):
  inspection = Inspection(SETTINGS.policies)
  waveform = read_waveform(Media(path, *interval), SETTINGS, inspection)
  return waveform, [each.kind for each in inspection.findings()]


def _lag(found: np.ndarray, wanted: np.ndarray) -> int:
  """By how many samples `found` is late, as correlation says."""
  size = 1 << (len(found) + len(wanted)).bit_length()
  spectrum = np.fft.rfft(found, size) * np.conj(np.fft.rfft(wanted, size))
  place = int(np.fft.irfft(spectrum).argmax())
  return place if place < size // 2 else place - size


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_an_interval_starts_at_its_sample(tmp_path, suffix, rate):
  samples = _noise(rate, 1)
  path = _write_sound(tmp_path / f"a.{suffix}", samples, rate, "mono")
  start, end = 1.2345, 2.5
  waveform, kinds = _read(path, start, end)
  # Opus always decodes to 48 kHz.
  stored = 48000 if suffix == "mkv" else rate
  assert waveform.rate == stored
  assert len(waveform.samples) == round(end * stored) - round(start * stored)
  assert kinds == (["low_rate"] if stored < 16000 else [])
  if stored == rate:
    wanted = samples[0, round(start * rate) : round(end * rate)]
    # AVI cannot say that an MP3 encoder adds 1105 samples in front.
    late = 1105 if suffix == "avi" else 0
    # Matroska's times are whole milliseconds: off by one at most.
    most = rate // 1000 if suffix == "mkv" else 0
    assert abs(_lag(waveform.samples, wanted) - late) <= most
    if CONTAINERS[suffix][1]:
      # 16 bits: half a step.
      np.testing.assert_allclose(waveform.samples, wanted, atol=2e-5)
  # Seeking gives what decoding from the beginning gives. By place, not by
  # value: AAC fills high bands with noise of its own.
  whole, _ = _read(path)
  first = round(start * stored)
  straight = whole.samples[first : first + len(waveform.samples)]
  most = stored // 1000 if suffix == "mkv" else 0
  assert abs(_lag(waveform.samples, straight)) <= most


@pytest.mark.parametrize("suffix", ["wav", "mp4", "flac"])
def test_stereo_is_the_mean_and_surround_keeps_the_voice(tmp_path, suffix):
  stereo = _noise(16000, 2)
  path = _write_sound(tmp_path / f"a.{suffix}", stereo, 16000, "stereo")
  found, kinds = _read(path)
  level = np.sqrt(np.mean(stereo.mean(axis=0) ** 2))
  assert np.sqrt(np.mean(found.samples**2)) == pytest.approx(level, rel=0.05)
  assert kinds == []
  surround = np.zeros((6, SECONDS * 16000), np.float32)
  surround[2] = _noise(16000, 1)[0]  # FL FR FC LFE BL BR
  surround[3] = 0.9 * np.sin(np.arange(SECONDS * 16000) / 100)
  path = tmp_path / f"b.{suffix}"
  found, kinds = _read(_write_sound(path, surround, 16000, "5.1"))
  assert kinds == ["many_channels"]
  level = np.sqrt(np.mean(surround[2] ** 2) / 2)  # the centre at -3 dB
  assert np.sqrt(np.mean(found.samples**2)) == pytest.approx(level, rel=0.05)


def _write_pictures(
  path: Path,
  times: list[int],
  codec="libx264",
  turn=0,
  aspect=1,
  b_frames=2,
  unit=100,
) -> Path:
  """Frame i, shown at times[i] / unit s, has i in eight black or white stripes.

  The lowest bit is on the left. The upper left quarter is white, to tell which
  side is up.
  """
  import av

  with av.open(str(path), "w") as container:
    stream = container.add_stream(codec, rate=25)
    stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
    stream.codec_context.max_b_frames = b_frames
    stream.codec_context.gop_size = 12
    stream.codec_context.time_base = Fraction(1, unit)
    stream.time_base = Fraction(1, unit)
    if codec == "libx264":
      stream.options = {"crf": "5", "preset": "medium"}
    if turn:
      stream.set_display_rotation(turn)
    if aspect != 1:
      stream.codec_context.sample_aspect_ratio = aspect
    for number, time in enumerate(times):
      picture = np.full((64, 96, 3), 40, np.uint8)
      picture[:32, :48] = 255
      bits = number >> np.arange(8) & 1
      picture[40:56] = np.repeat(bits * 255, 12)[:, None]
      frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
      frame.pts, frame.time_base = time, Fraction(1, unit)
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
  return path


def _shown(path: Path, count: int, *interval, **more) -> list[int]:
  inspection = Inspection(default_policies("video"))
  media = Media(path, *interval, **more)
  frames = list(extract_frames(media, _frames(count), inspection))
  assert [each.kind for each in inspection.findings()] == []
  return [_number(each) for each in frames]


def _number(picture: np.ndarray) -> int:
  """Which frame it is, whatever a codec does to its greys."""
  stripes = picture[44:52].mean(axis=(0, 2)).reshape(8, 12).mean(axis=1)
  return int(((stripes > 128) << np.arange(8)).sum())


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_uneven_frames_are_chosen_by_their_times(tmp_path, suffix):
  # 10 frames/s, then a still of 3 s, then 50 frames/s: what phones write.
  times = [*range(0, 200, 10), *range(500, 600, 2)]
  path = _write_pictures(tmp_path / f"a.{suffix}", times)
  wanted = (np.arange(6) + 0.5) / 6 * 590
  expected = [int(np.searchsorted(times, each, "right")) - 1 for each in wanted]
  found = _shown(path, 6, 0.0, 5.9)
  assert found == sorted(set(expected))
  # A seek into the middle shows the same as the whole.
  assert _shown(path, 2, 5.2, 5.6) == [20 + 15, 20 + 25]


def _has_b_frames(path: Path) -> bool:
  import av

  kind = av.video.frame.PictureType.B
  with av.open(str(path)) as container:
    return any(frame.pict_type == kind for frame in container.decode(video=0))


@pytest.mark.parametrize(
  ("codec", "suffix"),
  [
    *(("libx264", suffix) for suffix in ("mp4", "mkv", "avi")),
    *(("mpeg4", suffix) for suffix in ("mp4", "avi")),
  ],
)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_b_frames_do_not_move_the_frames_chosen(
  tmp_path, codec, suffix, b_frames
):
  """They are decoded out of order; AVI does not even say when one is shown."""
  path = tmp_path / f"a.{suffix}"
  _write_pictures(path, list(range(80)), codec, b_frames=b_frames, unit=25)
  assert _has_b_frames(path) == (b_frames > 0)
  # The middles of the parts, 25 frames/s: part of 10 frames, 12.5, 1.67, 1.
  assert _shown(path, 8, 0.0, 3.2) == [5, 15, 25, 35, 45, 55, 65, 75]
  assert _shown(path, 4, 1.0, 3.0) == [31, 43, 56, 68]
  assert _shown(path, 6, 0.5, 0.9) == [13, 15, 16, 18, 20, 21]
  assert _shown(path, 5, 2.0, 2.2) == [50, 51, 52, 53, 54]


def test_only_what_is_needed_is_decoded(tmp_path, monkeypatch):
  from feature_export.features import video

  times = list(range(0, 880, 8))
  path = _write_pictures(tmp_path / "a.mp4", times)
  decoded = []
  original = video._Decoder.run

  def counting(self, packets, wanted):
    for frame in original(self, packets, wanted):
      decoded.append(frame.pts)
      yield frame

  monkeypatch.setattr(video._Decoder, "run", counting)
  # 8.76 s: the last frame lasts 1/25 s, the rate that the encoder was told.
  assert _shown(path, 3) == [18, 54, 91]
  # Three of ten groups of 12, and not to their ends.
  assert 3 <= len(decoded) <= 30


def test_phones_turn_their_pictures(tmp_path):
  for turn, corner in ((90, (-1, 0)), (-90, (0, -1)), (180, (-1, -1))):
    path = _write_pictures(tmp_path / f"{turn}.mp4", [0, 4, 8], turn=turn)
    inspection = Inspection(default_policies("video"))
    frame = next(extract_frames(Media(path), _frames(1), inspection))
    assert frame.shape[:2] == ((64, 96) if turn == 180 else (96, 64))
    # FFmpeg turns counter-clockwise; the white corner goes along.
    assert frame[corner].mean() > 240, turn
    assert frame[0, 0].mean() < 100


def test_oblong_pixels_and_halves(tmp_path):
  path = _write_pictures(
    tmp_path / "a.mp4", list(range(0, 40, 4)), aspect=Fraction(3, 2)
  )
  inspection = Inspection(default_policies("video"))
  left, right = (
    next(extract_frames(Media(path, region=half), _frames(1), inspection))
    for half in ("left", "right")
  )
  assert left.shape == right.shape == (64, 72, 3)
  assert left[:28].mean() > 240
  assert right.mean() < 100
