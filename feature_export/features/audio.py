"""Voice: a log-Mel spectrogram by librosa (paper, section 3.2).

The paper names librosa and nothing else. Its authors' arrays are 157 x 64 for
5 s, which 16 kHz, a hop of 512 and 64 bins give; the window is ours.
"""

import math
from dataclasses import dataclass

import numpy as np

from feature_export.corpora.utterance import Media
from feature_export.errors import MediaError

# libsndfile seeks to the sample; every other container goes through FFmpeg.
_SNDFILE_SUFFIXES = (".wav", ".flac")


@dataclass(frozen=True)
class AudioSettings:
  """Everything that changes the values of the audio features.

  Attributes:
    sample_rate: Hz, mono.
    window: samples of a Hann window, also the FFT length.
    hop: samples between frames; 16000 / 512 = 31.25 frames/s.
    mels: number of Mel bins.
    floor: smallest power, so the lowest value is -100 dB.
    max_seconds: longer clips are cut here. MELD holds some of five minutes
      by mistake.
  """

  sample_rate: int = 16000
  window: int = 1024
  hop: int = 512
  mels: int = 64
  floor: float = 1e-10
  max_seconds: float = 20.0


@dataclass(frozen=True)
class Waveform:
  """float32[N] mono samples and their rate in Hz."""

  samples: np.ndarray
  rate: int


def _read_sndfile(media: Media, max_seconds: float) -> Waveform:
  """Reads a stretch of a file that libsndfile knows."""
  import soundfile

  try:
    with soundfile.SoundFile(media.path) as file:
      rate = file.samplerate
      first = min(round((media.start or 0.0) * rate), len(file))
      last = len(file) if media.end is None else round(media.end * rate)
      # One sample too many tells the caller that the clip is longer.
      count = min(last - first, math.floor(max_seconds * rate) + 1)
      file.seek(first)
      samples = file.read(max(count, 0), dtype="float32", always_2d=True)
  except soundfile.LibsndfileError as error:
    # Without the path, so that the report can group equal reasons.
    reason = error.error_string.rstrip(".")
    raise MediaError(f"audio cannot be decoded: {reason}") from error
  return Waveform(samples.mean(axis=1), rate)


def _decode_samples(container, media: Media, max_seconds: float) -> Waveform:
  """Decodes the first sound track of an open container, cut to `media`."""
  import av

  if not container.streams.audio:
    raise MediaError("the file has no sound track")
  stream = container.streams.audio[0]
  rate = stream.codec_context.sample_rate
  to_mono = av.AudioResampler(format="flt", layout="mono", rate=rate)
  origin = float((stream.start_time or 0) * stream.time_base)
  start = media.start or 0.0
  end = math.inf if media.end is None else media.end
  end = min(end, start + max_seconds + 1 / rate)
  if start:
    # Lands on or before the wanted place; the surplus is cut below.
    container.seek(
      int((start + origin) / stream.time_base), stream=stream, backward=True
    )
  pieces, begin = [], None
  for frame in container.decode(stream):
    time = 0.0 if frame.time is None else frame.time - origin
    if time >= end:
      break
    begin = time if begin is None else begin
    pieces += [piece.to_ndarray()[0] for piece in to_mono.resample(frame)]
  samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
  begin = begin or 0.0
  first = max(0, round((start - begin) * rate))
  last = None if math.isinf(end) else max(0, round((end - begin) * rate))
  return Waveform(samples[first:last], rate)


def _read_container(media: Media, max_seconds: float) -> Waveform:
  """Reads a stretch of anything that FFmpeg knows, video files included."""
  import av

  try:
    with av.open(str(media.path)) as container:
      return _decode_samples(container, media, max_seconds)
  except (av.FFmpegError, OSError) as error:
    reason = error.strerror or error
    raise MediaError(f"audio cannot be decoded: {reason}") from error


def read_waveform(media: Media, max_seconds: float) -> Waveform:
  """Decodes a stretch of a file to mono at the file's own rate.

  Args:
    media: the file, with start and end in seconds.
    max_seconds: reading stops one sample after this.

  Raises:
    MediaError: unreadable, no sound track, no samples, NaN or infinite
      values, or nothing but digital zero.
  """
  if not media.path.is_file():
    raise MediaError("the file does not exist")
  sndfile = media.path.suffix.lower() in _SNDFILE_SUFFIXES
  read = _read_sndfile if sndfile else _read_container
  waveform = read(media, max_seconds)
  if not waveform.samples.size:
    raise MediaError("audio has no samples between start and end")
  if not np.isfinite(waveform.samples).all():
    raise MediaError("audio holds NaN or infinite samples")
  # A muted track is no voice; zeros would pose as data.
  if not waveform.samples.any():
    raise MediaError("audio is digital silence")
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
  # librosa warns where a clip is shorter than its window. Zeros behind it
  # change nothing: centred frames are padded with zeros anyway.
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
  media: Media, settings: AudioSettings
) -> tuple[np.ndarray, bool]:
  """Extracts the audio features of one clip.

  Returns:
    float16[A, mels] in dB, A > 0, and whether the clip was cut to
    `settings.max_seconds`.

  Raises:
    MediaError: the reason why the clip has no usable audio.
  """
  waveform = read_waveform(media, settings.max_seconds)
  most = math.floor(settings.max_seconds * waveform.rate)
  cut = len(waveform.samples) > most
  if cut:
    waveform = Waveform(waveform.samples[:most], waveform.rate)
  return compute_log_mel(waveform, settings), cut
