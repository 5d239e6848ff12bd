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
  path: Path,
  samples: np.ndarray,
  rate: int,
  layout: str,
  codec: str = "",
  lost: tuple[float, float] = (0.0, 0.0),
  pictures: bool = False,
  **options: str,
) -> Path:
  """Writes a sound track; the packets between the times `lost` are left out."""
  import av

  codec = codec or CONTAINERS[path.suffix[1:]][0]
  with av.open(str(path), "w", options=options) as container:
    grey = container.add_stream("mpeg4", rate=10) if pictures else None
    stream = container.add_stream(codec, rate=rate, layout=layout)
    if grey is not None:
      _mux_grey(container, grey, seconds=samples.shape[1] / rate)

    def mux(packets) -> None:
      for packet in packets:
        if not lost[0] <= packet.pts * packet.time_base < lost[1]:
          container.mux(packet)

    for first in range(0, samples.shape[1], 1000):
      part = np.ascontiguousarray(samples[:, first : first + 1000])
      frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
      frame.sample_rate, frame.pts = rate, first
      frame.time_base = Fraction(1, rate)
      mux(stream.encode(frame))
    mux(stream.encode(None))
  return path


def _mux_grey(container, stream, seconds: float) -> None:
  """Adds grey pictures from 0 s on, so that the sound may start later."""
  import av

  stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
  grey = np.full((32, 32, 3), 90, np.uint8)
  for _ in range(round(seconds * 10)):
    frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
    container.mux(stream.encode(frame))
  container.mux(stream.encode(None))


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


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav"])
def test_an_interval_of_adpcm_starts_at_its_sample(tmp_path, codec):
  """As FFmpeg writes it: the header's byte rate leaves out the blocks' own."""
  rate, start, end = 16000, 58.0, 59.2
  noise = np.random.default_rng(0).normal(size=60 * rate)
  samples = 0.3 * np.convolve(noise, np.ones(16) / 16, "same")[None]
  samples = samples.astype(np.float32)
  path = _write_sound(tmp_path / "a.wav", samples, rate, "mono", codec)
  waveform, kinds = _read(path, start, end)
  wanted = samples[0, round(start * rate) : round(end * rate)]
  assert kinds == [] and len(waveform.samples) == len(wanted)
  assert _lag(waveform.samples, wanted) == 0


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


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
def test_lost_sound_is_silence_and_moves_nothing(tmp_path, suffix):
  """An interval behind the gap, the gap itself, and the whole."""
  samples = _noise(16000, 1)
  codec = "pcm_s16le" if suffix in ("mkv", "avi") else "aac"
  path = tmp_path / f"a.{suffix}"
  _write_sound(path, samples, 16000, "mono", codec, lost=(1.0, 2.0))
  if suffix == "avi":
    # It has no times: what is behind the gap follows what is before.
    assert abs(len(_read(path)[0].samples) - 3 * 16000) < 2000
    return
  # 64 ms of AAC's frames are lost or kept as a whole, either side.
  slack = 2 * 1024
  whole, kinds = _read(path)
  assert kinds == ["gaps"]
  assert abs(len(whole.samples) - 4 * 16000) < slack
  assert not whole.samples[16000 + slack : 32000 - slack].any()
  behind = slice(32000 + slack, 56000)
  assert abs(_lag(whole.samples[behind], samples[0, behind])) <= 1024 + 16
  cut, kinds = _read(path, 2.5, 3.5)
  assert (len(cut.samples), kinds) == (16000, [])
  assert abs(_lag(cut.samples, whole.samples[40000:56000])) <= 16
  half, kinds = _read(path, 1.5, 2.5)
  assert kinds == ["gaps"]
  assert not half.samples[: 8000 - slack].any()
  assert np.abs(half.samples[-4000:]).max() > 0.01


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_sound_that_starts_late_is_silent_first(tmp_path, suffix):
  samples = _noise(16000, 1)
  path = tmp_path / f"a.{suffix}"
  codec = "pcm_s16le" if suffix == "mkv" else "aac"
  _write_sound(path, samples, 16000, "mono", codec, (-1.0, 1.0), pictures=True)
  whole, kinds = _read(path)
  assert kinds == ["gaps"]
  assert abs(len(whole.samples) - 4 * 16000) < 2048
  assert not whole.samples[: 16000 - 2048].any()
  behind = slice(18000, 56000)
  assert abs(_lag(whole.samples[behind], samples[0, behind])) <= 1024 + 16
  cut, kinds = _read(path, 0.5, 1.5)
  assert (len(cut.samples), kinds) == (16000, ["gaps"])
  assert not cut.samples[: 8000 - 2048].any()


def test_mp3_in_a_wav_file_starts_with_its_sound(tmp_path):
  """What a frame borrows from those before it is there after a seek."""
  import av

  samples = _noise(16000, 1)
  path = tmp_path / "a.wav"
  _write_sound(tmp_path / "a.mp3", samples, 16000, "mono", bitrate="16k")
  with (
    av.open(str(tmp_path / "a.mp3")) as source,
    av.open(str(path), "w", format="wav") as target,
  ):
    stream = target.add_stream_from_template(source.streams.audio[0])
    for packet in source.demux(audio=0):
      if packet.size:
        packet.stream = stream
        target.mux(packet)
  cut, kinds = _read(path, 2.0, 3.0)
  assert (len(cut.samples), kinds) == (16000, [])
  assert np.abs(cut.samples[:1600]).max() > 0.01
  whole, _ = _read(path)
  assert abs(_lag(cut.samples, whole.samples[32000:48000])) <= 1105


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_wav_of_a_recorder_that_was_killed(tmp_path, write_tone, length):
  path = write_tone(tmp_path / "a.wav", seconds=2.0)
  content = bytearray(path.read_bytes())
  place = content.index(b"data") + 4
  content[place : place + 4] = length.to_bytes(4, "little")
  path.write_bytes(content)
  waveform, kinds = _read(path)
  assert (len(waveform.samples), kinds) == (32000, [])


def test_flac_of_a_stream_has_no_length(tmp_path):
  import soundfile

  path = tmp_path / "a.flac"
  soundfile.write(path, _noise(16000, 1)[0], 16000)
  content = bytearray(path.read_bytes())
  content[21] &= 0xF0  # 36 bits of STREAMINFO
  content[22:26] = bytes(4)
  path.write_bytes(content)
  waveform, kinds = _read(path)
  assert (len(waveform.samples), kinds) == (SECONDS * 16000, [])


@pytest.mark.parametrize("channels", [7, 8, 16])
def test_many_microphones_are_mixed(tmp_path, channels):
  """PyAV reads beyond its array of planes with eight of them."""
  import soundfile

  samples = _noise(16000, channels)
  path = tmp_path / "a.wav"
  soundfile.write(path, samples.T, 16000)
  waveform, kinds = _read(path)
  assert kinds == ["many_channels"]
  assert len(waveform.samples) == SECONDS * 16000


def test_the_default_sound_track_is_taken(tmp_path):
  import av

  path = tmp_path / "a.mkv"
  with av.open(str(path), "w") as container:
    streams = [
      container.add_stream("pcm_s16le", rate=16000, layout="mono")
      for _ in range(2)
    ]
    streams[0].disposition = av.stream.Disposition(0)
    streams[1].disposition = av.stream.Disposition.default
    for loud, stream in zip((0.1, 0.4), streams, strict=True):
      tone = loud * np.sin(np.arange(16000, dtype=np.float32) / 5)[None]
      frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
      frame.sample_rate, frame.pts = 16000, 0
      container.mux(stream.encode(frame))
      container.mux(stream.encode(None))
  waveform, kinds = _read(path)
  assert kinds == ["several_tracks"]
  assert np.abs(waveform.samples).max() == pytest.approx(0.4, abs=0.01)


def test_a_recording_without_a_length_is_whole(tmp_path):
  """What a browser's MediaRecorder writes: no duration, no index."""
  path = tmp_path / "a.mkv"
  _write_sound(path, _noise(48000, 1), 48000, "mono", pictures=True, live="1")
  waveform, kinds = _read(path)
  assert kinds == []
  assert abs(len(waveform.samples) / 48000 - SECONDS) < 0.03
  inspection = Inspection(default_policies("video"))
  assert len(list(extract_frames(Media(path), _frames(4), inspection))) == 4
  assert [each.kind for each in inspection.findings()] == ["still"]
  _read(path, 1.0, 2.0)


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
  return [_number(each) for _, each in frames]


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
    *(("libx264", suffix) for suffix in ("mp4", "mkv", "avi", "ts")),
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


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("interval", [(0.0, 3.2), (1.0, 2.0), (2.0, 3.0)])
def test_program_streams_of_camcorders_lose_nothing(
  tmp_path, interval, b_frames
):
  path = _write_pictures(
    tmp_path / "a.mpg",
    list(range(80)),
    "mpeg2video",
    b_frames=b_frames,
    unit=25,
  )
  start, end = interval
  middles = start + (np.arange(5) + 0.5) / 5 * (end - start)
  # Frames so small share a packet with one time, and FFmpeg guesses the others.
  np.testing.assert_allclose(_shown(path, 5, *interval), middles * 25, atol=1.5)


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
    _, frame = next(extract_frames(Media(path), _frames(1), inspection))
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
    next(extract_frames(Media(path, region=half), _frames(1), inspection))[1]
    for half in ("left", "right")
  )
  assert left.shape == right.shape == (64, 72, 3)
  assert left[:28].mean() > 240
  assert right.mean() < 100
