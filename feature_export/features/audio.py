"""Voice: a log-Mel spectrogram by librosa (paper, section 3.2).

The paper names librosa and nothing else. Its authors' arrays are 157 x 64 for
5 s, which 16 kHz, a hop of 512 and 64 bins give; the window is ours.
"""

import math
from collections.abc import Sequence

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
  find_end,
)
from feature_export.features.speech import SpeechEncoder, embed_speech
from feature_export.features.waveform import (
  Waveform,
  compute_log_mel,
  resample,
)

# libsndfile seeks to the sample; every other container goes through FFmpeg. So
# do codecs with frames, which libsndfile reads in WAV and starts too early in.
# Of ADPCM it knows the blocks; FFmpeg seeks by a rate without their headers.
_SNDFILE_SUFFIXES = (".wav", ".flac")
_SNDFILE_SUBTYPES = (
  *("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW"),
  *("MS_ADPCM", "IMA_ADPCM"),
)
_UNKNOWN_LENGTH = str(2**32 - 1)  # bytes; what a WAV header of a stream has
_ABSURD_LENGTH = 2**40  # samples; libsndfile gives 2**63 - 1 for unknown
# Frames of AAC, MP3 and Opus overlap, so the first ones after a seek come out
# wrong. At 16 kHz the longest last 0.064 s; 0.2 s hold three of them.
_PREROLL = 0.2
# A frame of MP3 may use what those before it have left over, up to 511 bytes:
# 14 frames at the lowest bit rate of 16 kHz. Until then the decoder is silent.
_MP3_PREROLL = 1.0
# Frames whose time is further from the end of those before have lost sound
# between them, or repeat some. s; containers round times to milliseconds, and
# clocks of recorders drift a little.
GAP = 0.05
# How much further back a seek goes when it has landed behind the wanted place,
# as in MPEG-TS, which has no index. s; the last one is the beginning.
_RETRIES = (0.0, 2.0, 10.0, math.inf)
_SILENT = 1e-4  # peak to peak; -80 dBFS, three steps of 16 bits
_BEYOND = 4.0  # lossy codecs overshoot full scale a little, never this much
# More than two channels are mixed to two by ITU-R BS.775, and their mean taken,
# as of any stereo. The plain mean of all would bury the voice of a film, which
# is in the centre channel.
_SHARE = {"FL": 0.5, "FR": 0.5, "FC": math.sqrt(0.5), "LFE": 0.0}
_SURROUND_SHARE = 0.5 * math.sqrt(0.5)


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


def mix_frame(frame) -> np.ndarray:
  """A packed frame of PyAV, mixed to one channel; float32[N]."""
  names = [channel.name for channel in frame.layout.channels]
  packed = frame.to_ndarray().reshape(-1, len(names))
  return mix_down(np.ascontiguousarray(packed.T), names)


def _read_sndfile(
  media: Media, settings: AudioSettings, inspection: Inspection
) -> Waveform | None:
  """Reads a stretch by libsndfile; None: it cannot read this file."""
  import soundfile

  try:
    with soundfile.SoundFile(media.path) as file:
      if not file.subtype.startswith(_SNDFILE_SUBTYPES):
        return None
      # The header has no length where a recorder was killed or wrote a stream;
      # FFmpeg reads to the end.
      if not 0 < len(file) < _ABSURD_LENGTH:
        return None
      # libsndfile does not tell which channel is which; FFmpeg does.
      if file.channels > 2:
        return None
      rate = file.samplerate
      check_length(media, len(file) / rate, settings.far_seconds, inspection)
      # libsndfile corrects the length of a truncated file, and says so only in
      # its log.
      header = file.extra_info.partition("data :")[2].partition("\n")[0]
      if "should be" in header and _UNKNOWN_LENGTH not in header:
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
  """Puts decoded frames of sound where their times say, mixed to one channel.

  Attributes:
    begin: time of the first sample, in s; None: frames have no times.
    rate: samples/s.
    channels: number of channels.
    errors: packets that could not be decoded.
    gaps: (start, end) in s of stretches without sound, which become silence.
  """

  def __init__(self, timed: bool):
    """Starts empty.

    Args:
      timed: True: the container stores times; False: FFmpeg reckons them.
    """
    self._timed = timed
    self._to_packed = None
    self._pieces: list[np.ndarray] = []
    self._count = 0
    self.begin: float | None = None
    self.rate = 0
    self.channels = 0
    self.errors = 0
    self.gaps: list[tuple[float, float]] = []

  @property
  def end(self) -> float:
    """Time after the last sample, in s."""
    return (self.begin or 0.0) + (self._count / self.rate if self.rate else 0.0)

  def add(self, frame, time: float | None) -> None:
    """Adds one frame, which starts at `time` in s; None: unknown."""
    import av

    if self._to_packed is None:
      self.rate = frame.sample_rate
      self.channels = frame.layout.nb_channels
      # Packed: PyAV reads beyond its array of planes with eight of them.
      self._to_packed = av.AudioResampler(format="flt")
      self.begin = time
    try:
      pieces = [mix_frame(piece) for piece in self._to_packed.resample(frame)]
    except ValueError as error:
      raise MediaError("unreadable", "the sound's format changes") from error
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if self._timed and time is not None and self.begin is not None:
      late = time - self.end
      if late > GAP:
        self.gaps.append((self.end, time))
        self._append(np.zeros(round(late * self.rate), np.float32))
      elif late < -GAP:  # sound that is there already
        samples = samples[round(-late * self.rate) :]
    self._append(samples)

  def _append(self, samples: np.ndarray) -> None:
    self._pieces.append(samples)
    self._count += len(samples)

  def cut(self, start: float, end: float) -> np.ndarray:
    """The samples from start to end, in s; what begins late is silent first."""
    if not self._pieces:
      return np.zeros(0, np.float32)
    samples, begin = np.concatenate(self._pieces), self.begin or 0.0
    if begin - start > GAP and begin < end and self._count:
      silence = np.zeros(round((begin - start) * self.rate), np.float32)
      samples, begin = np.concatenate([silence, samples]), start
      self.gaps.insert(0, (start, start + len(silence) / self.rate))
    first = max(0, round((start - begin) * self.rate))
    last = None
    if math.isfinite(end):
      last = max(0, round((end - begin) * self.rate))
    return samples[first:last]


def _decode(container, stream, end: float) -> _Recorder:
  """Decodes a sound track from where its container stands up to `end` in s."""
  import av

  origin = container_origin(container)
  # AVI has no times of sound. Those that FFmpeg reckons from bytes are wrong
  # where the bit rate varies.
  recorder = _Recorder(timed=container.format.name != "avi")
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


def _record(container, stream, start: float, end: float) -> _Recorder:
  """Decodes a stretch of a sound track, from a little before its start."""
  if not start:
    return _decode(container, stream, end)
  origin = container_origin(container)
  is_mp3 = stream.codec_context.name.startswith("mp3")
  early = start - (_MP3_PREROLL if is_mp3 else _PREROLL)
  for back in _RETRIES:
    # This goes to a place at or before the wanted one; what is too much is cut
    # later.
    place = max(0.0, early - back) + origin
    container.seek(int(place / stream.time_base), stream=stream, backward=True)
    recorder = _decode(container, stream, end)
    if recorder.begin is None:
      # The frames have no times, so samples are counted from the beginning.
      container.seek(0)
      return _decode(container, stream, math.inf)
    if recorder.begin <= start:
      break
  return recorder


def open_track(container, inspection: Inspection):
  """The sound track that a player takes: the default one, or the first."""
  import av

  streams = container.streams.audio
  if not streams:
    raise MediaError("no_track", "no sound track")
  default = av.stream.Disposition.default
  chosen = next((each for each in streams if each.disposition & default), None)
  chosen = chosen or streams[0]
  if len(streams) > 1:
    number = list(streams).index(chosen) + 1
    inspection.report("several_tracks", f"track {number} of {len(streams)}")
  return chosen


def _report_losses(
  recorder: _Recorder, start: float, end: float, inspection: Inspection
) -> None:
  """Reports what is missing between start and end, in s."""
  if recorder.errors:
    inspection.report(
      "damaged", f"{recorder.errors} packets of sound cannot be decoded"
    )
  gaps = [(max(first, start), min(last, end)) for first, last in recorder.gaps]
  gaps = [gap for gap in gaps if gap[1] - gap[0] > GAP]
  if gaps:
    lost = sum(last - first for first, last in gaps)
    inspection.report(
      "gaps", f"{lost:.2f} s without sound, from {gaps[0][0]:.2f} s on"
    )


def _decode_samples(
  container, media: Media, settings: AudioSettings, inspection: Inspection
) -> Waveform:
  """Decodes the sound track of an open container, cut to `media`."""
  stream = open_track(container, inspection)
  whole = find_end(container, stream)
  check_length(media, whole, settings.far_seconds, inspection)
  start = media.start or 0.0
  end = math.inf if media.end is None else media.end
  # A little more than allowed shows the caller that the clip is longer. Not by
  # one sample: the rate in the header may be half of the true one (HE-AAC).
  limit = min(end, start + settings.max_seconds + 0.01)
  recorder = _record(container, stream, start, limit)
  samples, there = recorder.cut(start, limit), recorder.end
  if recorder.errors and not len(samples):
    raise MediaError("unreadable", "no packet of the sound can be decoded")
  _report_losses(recorder, start, limit, inspection)
  due = limit
  if math.isinf(end):  # the track's own end, where that is known
    due = min(limit, whole) if whole else math.inf
  if len(samples) and there < due - END_TOLERANCE < math.inf:
    inspection.report("short", f"ends at {there:.1f} of {due:.1f} s")
  if recorder.channels > 2:
    inspection.report("many_channels", f"{recorder.channels} channels")
  return Waveform(samples, recorder.rate)


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


def extract_audio(
  media: Media,
  settings: AudioSettings,
  inspection: Inspection,
  encoder: SpeechEncoder | None = None,
) -> np.ndarray:
  """Extracts the audio features of one clip.

  Args:
    media: file with start and end in seconds.
    settings: how features are made.
    inspection: takes the findings.
    encoder: model of `settings.speech`; None where that is None.

  Returns:
    float16[A, mels] in dB, or states of the encoder; A > 0.

  Raises:
    MediaError: the reason why the clip has no usable audio.
  """
  waveform = read_waveform(media, settings, inspection)
  most = math.floor(settings.max_seconds * waveform.rate)
  if len(waveform.samples) > most:
    inspection.report("too_long", f"cut at {settings.max_seconds:g} s")
    waveform = Waveform(waveform.samples[:most], waveform.rate)
  if encoder is None:
    return compute_log_mel(waveform, settings)
  samples = resample(waveform, settings.sample_rate)
  return embed_speech(samples, settings.speech, encoder)
