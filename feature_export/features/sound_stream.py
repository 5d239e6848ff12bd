"""The sound of a long file, piece by piece: memory does not grow with it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from feature_export.errors import MediaError
from feature_export.features.audio import GAP, mix_frame, open_track
from feature_export.features.findings import Inspection
from feature_export.features.source import container_origin

_PIECE = 16000  # samples of silence that are given at once


def stream_samples(path: Path, rate: int) -> Iterator[np.ndarray]:
  """Yields the default sound track as float32[N] mono, in pieces.

  The first sample is at the player's 0, and what a file has lost is silent, so
  that the number of samples tells the time.

  Args:
    path: sound or video file.
    rate: samples/s that are wanted.

  Raises:
    MediaError: no sound track, or none that can be decoded.
  """
  import av

  try:
    with av.open(str(path)) as container:
      yield from _stream(container, rate)
  except (av.FFmpegError, OSError) as error:
    raise MediaError("unreadable", str(error.strerror or error)) from error
  except ValueError as error:
    if isinstance(error, MediaError):
      raise
    raise MediaError("unreadable", "the sound's format changes") from error


def _stream(container, rate: int) -> Iterator[np.ndarray]:
  import av

  stream = open_track(container, Inspection({}))
  origin = container_origin(container)
  # Times of sound in AVI are reckoned from bytes, and wrong.
  timed = container.format.name != "avi"
  # Packed: PyAV reads beyond its array of planes with eight of them.
  resampler = av.AudioResampler(format="flt", rate=rate)
  seen = 0.0  # s
  for frame in _decode(container, stream):
    late = frame.time - origin - seen if timed and frame.time is not None else 0
    if late < -GAP:  # sound that is there already
      continue
    if late > GAP:
      yield from _silence(round(late * rate))
      seen += late
    seen += frame.samples / frame.sample_rate
    yield from map(mix_frame, resampler.resample(frame))
  yield from map(mix_frame, resampler.resample(None) if seen else ())


def _decode(container, stream) -> Iterator:
  """Yields the frames that can be decoded."""
  import av

  for packet in container.demux(stream):
    try:
      yield from packet.decode()
    except av.error.EOFError:
      return
    except av.FFmpegError:  # the next one tells the gap by its time
      continue


def _silence(count: int) -> Iterator[np.ndarray]:
  for start in range(0, count, _PIECE):
    yield np.zeros(min(_PIECE, count - start), np.float32)
