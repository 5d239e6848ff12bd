"""Voice: a log-Mel spectrogram by librosa (paper, section 3.2).

The paper names librosa and nothing else. Its authors' arrays are 157 x 64 for
5 s, which 16 kHz, a hop of 512 and 64 bins give; the window is ours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from feature_export.corpora.utterance import Media
from feature_export.errors import MediaError
from feature_export.features.findings import Inspection
from feature_export.features.settings import AudioSettings
from feature_export.features.source import (
  END_TOLERANCE,
  check_file,
  check_length,
  container_origin,
)

# libsndfile seeks to the sample; every other container goes through FFmpeg.
_SNDFILE_SUFFIXES = (".wav", ".flac")
# Frames of AAC, MP3 and Opus overlap, so the first ones after a seek come out
# wrong. At 16 kHz the longest last 0.064 s; 0.2 s hold three of them.
_PREROLL = 0.2
_SILENT = 1e-4  # peak to peak; -80 dBFS, three steps of 16 bits
_BEYOND = 4.0  # lossy codecs overshoot full scale a little, never this much
# More than two channels are mixed to two by ITU-R BS.775, and their mean taken,
# as of any stereo. The plain mean of all would bury the voice of a film, which
# is in the centre channel.
_SHARE = {"FL": 0.5, "FR": 0.5, "FC": math.sqrt(0.5), "LFE": 0.0}
_SURROUND_SHARE = 0.5 * math.sqrt(0.5)


@dataclass(frozen=True)
class Waveform:
  """float32[N] mono samples and their rate in Hz."""

  samples: np.ndarray
  rate: int


def mix_down(channels: np.ndarray, names: Sequence[str] = ()) -> np.ndarray:
  """Mixes channels to one.

  Args:
    channels: float32[C, N].
    names: names of the channels, FFmpeg's; needed only where C > 2.

  Returns:
    float32[N].
  """
  if len(channels) > 2 and {"FL", "FR"} <= set(names):
    shares = [_SHARE.get(name, _SURROUND_SHARE) for name in names]
    return np.float32(shares) @ channels
  return channels.mean(axis=0)


def _read_sndfile(
  media: Media, settings: AudioSettings, inspection: Inspection
) -> Waveform | None:
  """Reads a stretch by libsndfile; None: it cannot read this file."""
  import soundfile

  try:
    with soundfile.SoundFile(media.path) as file:
      # libsndfile does not tell which channel is which; FFmpeg does.
      if file.channels > 2:
        return None
      rate = file.samplerate
      check_length(media, len(file) / rate, settings.far_seconds, inspection)
      # libsndfile corrects the length of a truncated file, and says so only in
      # its log.
      if "should be" in file.extra_info.partition("data :")[2].split("\n")[0]:
        inspection.report("short", "the file has lost its end")
      first = min(round((media.start or 0.0) * rate), len(file))
      last = len(file) if media.end is None else round(media.end * rate)
      # One sample more than allowed shows the caller that the clip is longer.
      count = min(last - first, math.floor(settings.max_seconds * rate) + 1)
      file.seek(first)
      samples = file.read(max(count, 0), dtype="float32", always_2d=True)
  except soundfile.LibsndfileError:
    return None
  if len(samples) and len(samples) < count - END_TOLERANCE * rate:
    inspection.report(
      "short", f"{len(samples) / rate:.1f} of {count / rate:.1f} s are there"
    )
  return Waveform(mix_down(samples.T), rate)


class _Recorder:
  """Collects decoded frames of sound, mixed to one channel."""

  def __init__(self):
    self._to_planar = None
    self.pieces: list[np.ndarray] = []
    self.begin: float | None = None  # s, of the first sample
    self.rate = 0
    self.channels = 0
    self.errors = 0

  def add(self, frame, time: float | None) -> None:
    """Appends one frame, which starts at `time` in s; None: unknown."""
    import av

    if self._to_planar is None:
      self.rate = frame.sample_rate
      self.channels = frame.layout.nb_channels
      self._to_planar = av.AudioResampler(format="fltp")
      self.begin = time
    names = [channel.name for channel in frame.layout.channels]
    try:
      self.pieces += [
        mix_down(piece.to_ndarray(), names)
        for piece in self._to_planar.resample(frame)
      ]
    except ValueError as error:
      raise MediaError("unreadable", "the sound's format changes") from error

  def samples(self) -> np.ndarray:
    return np.concatenate(self.pieces) if self.pieces else np.zeros(0, "f4")


def _record(container, stream, start: float, end: float) -> _Recorder:
  """Decodes a stretch of a sound track, from a little before its start."""
  import av

  origin = container_origin(container)
  if start:
    # This goes to a place at or before the wanted one; what is too much is cut
    # later.
    place = max(0.0, start - _PREROLL) + origin
    container.seek(int(place / stream.time_base), stream=stream, backward=True)
  recorder = _Recorder()
  for packet in container.demux(stream):
    try:
      frames = packet.decode()
    except av.error.EOFError:
      break
    except av.FFmpegError:
      recorder.errors += 1
      continue
    for frame in frames:
      time = None if frame.time is None else frame.time - origin
      if time is not None and time >= end:
        return recorder
      recorder.add(frame, time)
  return recorder


def _open_track(container):
  if not container.streams.audio:
    raise MediaError("no_track", "no sound track")
  return container.streams.audio[0]


def _decode_samples(
  container, media: Media, settings: AudioSettings, inspection: Inspection
) -> Waveform:
  """Decodes the first sound track of an open container, cut to `media`."""
  stream = _open_track(container)
  length = stream.duration and float(stream.duration * stream.time_base)
  length = length or (container.duration or 0) / 1_000_000
  check_length(media, length, settings.far_seconds, inspection)
  start = media.start or 0.0
  end = math.inf if media.end is None else media.end
  # A little more than allowed shows the caller that the clip is longer. Not by
  # one sample: the rate in the header may be half of the true one (HE-AAC).
  limit = min(end, start + settings.max_seconds + 0.01)
  recorder = _record(container, stream, start, limit)
  if start and recorder.begin is None:
    # The container has no times, so samples are counted from its beginning.
    container.seek(0)
    recorder = _record(container, stream, 0.0, math.inf)
  rate, begin = recorder.rate, recorder.begin or 0.0
  samples = recorder.samples()
  if recorder.errors:
    if not samples.size:
      raise MediaError("unreadable", "no packet of the sound can be decoded")
    inspection.report(
      "damaged", f"{recorder.errors} packets of sound cannot be decoded"
    )
  first = max(0, round((start - begin) * rate))
  last = None if math.isinf(limit) else max(0, round((limit - begin) * rate))
  due = min(limit, length) if math.isinf(end) and length else limit
  there = begin + len(samples) / rate if rate else 0.0
  # `due` is infinite where the length is not known.
  if samples[first:].size and there < due - END_TOLERANCE < math.inf:
    inspection.report("short", f"ends at {there:.1f} of {due:.1f} s")
  if recorder.channels > 2:
    inspection.report("many_channels", f"{recorder.channels} channels")
  return Waveform(samples[first:last], rate)


def _read_container(
  media: Media, settings: AudioSettings, inspection: Inspection
) -> Waveform:
  """Reads a stretch of any file that FFmpeg knows, video files included."""
  import av

  try:
    with av.open(str(media.path)) as container:
      return _decode_samples(container, media, settings, inspection)
  except (av.FFmpegError, OSError) as error:
    # Without the path, so that the report can count equal reasons.
    raise MediaError("unreadable", str(error.strerror or error)) from error


def _check_samples(
  waveform: Waveform, settings: AudioSettings, inspection: Inspection
) -> None:
  """Reports everything that is odd about decoded samples."""
  samples = waveform.samples
  if not samples.size:
    raise MediaError("out_of_range", "no samples between start and end")
  if not np.isfinite(samples).all():
    raise MediaError("not_finite", "NaN or infinite samples")
  # A muted track holds zeros, or another constant. A model would take them for
  # a voice.
  if np.ptp(samples) < _SILENT:
    inspection.report("silence")
  if (peak := float(np.abs(samples).max())) > _BEYOND:
    inspection.report("beyond_full_scale", f"up to {peak:.3g}")
  if len(samples) / waveform.rate < settings.window / settings.sample_rate:
    inspection.report("brief", f"{len(samples)} samples")
  if waveform.rate < settings.sample_rate:
    inspection.report("low_rate", f"{waveform.rate} Hz")


def read_waveform(
  media: Media, settings: AudioSettings, inspection: Inspection
) -> Waveform:
  """Decodes a stretch of a file to mono at the file's own rate.

  Args:
    media: file with start and end in seconds.
    settings: limits; reading stops one sample after `max_seconds`.
    inspection: takes the findings.

  Raises:
    MediaError: the reason why the clip has no usable audio.
  """
  check_file(media)
  waveform = None
  if media.path.suffix.lower() in _SNDFILE_SUFFIXES:
    waveform = _read_sndfile(media, settings, inspection)
  if waveform is None:
    waveform = _read_container(media, settings, inspection)
  _check_samples(waveform, settings, inspection)
  return waveform


def compute_log_mel(waveform: Waveform, settings: AudioSettings) -> np.ndarray:
  """Turns samples into a log-Mel spectrogram.

  The reference is fixed (power 1.0) and nothing is clipped from above, so
  loudness stays comparable between clips and corpora.

  Returns:
    float16[A, mels] in dB with A = 1 + N // hop, N in samples at
    `settings.sample_rate`.
  """
  import librosa

  samples = librosa.resample(
    waveform.samples,
    orig_sr=waveform.rate,
    target_sr=settings.sample_rate,
    res_type="soxr_hq",
  )
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


def extract_audio(
  media: Media, settings: AudioSettings, inspection: Inspection
) -> np.ndarray:
  """Extracts the audio features of one clip.

  Returns:
    float16[A, mels] in dB, A > 0.

  Raises:
    MediaError: the reason why the clip has no usable audio.
  """
  waveform = read_waveform(media, settings, inspection)
  most = math.floor(settings.max_seconds * waveform.rate)
  if len(waveform.samples) > most:
    inspection.report("too_long", f"cut at {settings.max_seconds:g} s")
    waveform = Waveform(waveform.samples[:most], waveform.rate)
  return compute_log_mel(waveform, settings)
