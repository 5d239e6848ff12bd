"""Face frames: evenly spaced pictures of a clip (paper, section 3.2)."""

import math
from collections.abc import Iterator

import numpy as np

from feature_export.corpora.utterance import Media
from feature_export.errors import MediaError

MAX_FRAMES = 32  # the fixed number T of the authors' arrays
# Compression noise keeps a black picture from being exactly 0.
_BLACK_LEVEL = 16


def _demux_seconds(path: str) -> float:
  """The length of a stream whose header does not say it, from its packets."""
  import av

  with av.open(path) as container:
    stream = container.streams.video[0]
    first = stream.start_time or 0
    ticks = [
      packet.pts + (packet.duration or 0) - first
      for packet in container.demux(stream)
      if packet.pts is not None
    ]
    return float(max(ticks, default=0) * stream.time_base)


def _stream_seconds(container, stream, path: str) -> float:
  """The length of a video stream in seconds."""
  if stream.duration:
    return float(stream.duration * stream.time_base)
  if container.duration:
    return container.duration / 1_000_000  # FFmpeg's AV_TIME_BASE
  return _demux_seconds(path)


def _shown_at(
  frames: Iterator[tuple[float, object]], times: np.ndarray
) -> list[object]:
  """Picks the frame on show at each time, none of them twice.

  Args:
    frames: (time in s, frame), ascending.
    times: float64[T] in s, ascending.
  """
  picked, shown, position = [], None, 0
  for time, frame in frames:
    if shown is not None and position < len(times) and times[position] < time:
      picked.append(shown)
      while position < len(times) and times[position] < time:
        position += 1
    shown = frame
    if position == len(times):
      return picked
  if shown is not None and position < len(times):
    picked.append(shown)
  return picked


def _decode_frames(container, media: Media, count: int) -> list[np.ndarray]:
  """Decodes the wanted frames of an open container as uint8[H, W, 3]."""
  if not container.streams.video:
    raise MediaError("the file has no pictures")
  stream = container.streams.video[0]
  # One thread: the pipeline works on several clips at once.
  stream.thread_type = "NONE"
  origin = float((stream.start_time or 0) * stream.time_base)
  start = media.start or 0.0
  length = _stream_seconds(container, stream, str(media.path))
  end = length if media.end is None else min(media.end, length)
  if end <= start:
    raise MediaError(
      f"no pictures between start and end: the stream ends at {length:.2f} s"
    )
  # The middle of each of `count` equal parts: independent of the frame rate.
  times = start + (np.arange(count) + 0.5) * (end - start) / count
  if start:
    container.seek(
      int((start + origin) / stream.time_base), stream=stream, backward=True
    )

  def timed() -> Iterator[tuple[float, object]]:
    for frame in container.decode(stream):
      yield (math.inf if frame.time is None else frame.time - origin), frame

  # Only picked frames are converted to RGB.
  return [
    frame.to_ndarray(format="rgb24") for frame in _shown_at(timed(), times)
  ]


def extract_frames(media: Media, count: int) -> np.ndarray:
  """Decodes evenly spaced frames of a clip.

  Args:
    media: the file, with start and end in seconds.
    count: frames wanted, at most 32.

  Returns:
    uint8[V, H, W, 3], RGB; V is `count`, or less where the clip holds fewer
    different frames: none is repeated.

  Raises:
    MediaError: unreadable, no pictures, or all of them black.
  """
  import av

  if not media.path.is_file():
    raise MediaError("the file does not exist")
  try:
    with av.open(str(media.path)) as container:
      frames = _decode_frames(container, media, count)
  except (av.FFmpegError, OSError) as error:
    # Without the path, so that the report can group equal reasons.
    reason = error.strerror or error
    raise MediaError(f"video cannot be decoded: {reason}") from error
  if not frames:
    raise MediaError("no pictures between start and end")
  pictures = np.stack(frames)
  # Some MOSEI videos are black from end to end.
  if pictures.max() < _BLACK_LEVEL:
    raise MediaError("all pictures are black")
  return pictures
