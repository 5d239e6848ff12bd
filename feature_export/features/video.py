"""Frames of a clip, evenly spaced (paper, section 3.2).

Decoding is what takes time, and a video frame can only be decoded from the
last key frame on, with all frames that it depends on. So packets (frames still
encoded) are read first, which costs next to nothing. Their times tell which
frames are wanted, and only what those depend on is decoded.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from feature_export.corpora.utterance import Media
from feature_export.errors import MediaError
from feature_export.features.findings import Inspection
from feature_export.features.settings import VideoSettings
from feature_export.features.source import (
  END_TOLERANCE,
  check_file,
  check_length,
  container_origin,
  find_end,
)

MAX_FRAMES = 32  # the fixed number T of the authors' arrays
# After compression a black picture is not exactly 0.
_BLACK_LEVEL = 16
_ROUNDING = 5e-7  # s
# How much further back a seek goes when it has landed behind the key frame that
# is needed, as in MPEG-TS, which has no index. s; the last one: the beginning.
_RETRIES = (0.0, 2.0, 10.0, np.inf)
_DEFAULT_RATE = 25.0  # frames/s, where a container gives neither times nor rate
# AVI stores when a frame is decoded and not when it is shown. For most codecs
# FFmpeg works the latter out; not for these.
_UNTIMED_IN_AVI = ("h264", "hevc")
_MOST_REORDERED = 16  # frames that H.264 and HEVC may hold back


@dataclass
class _Packets:
  """The packets of a stretch in decoding order, with their times.

  Attributes:
    packets: packets in decoding order, the first one a key frame.
    times: float64[N] in s, the time at which the frame in each packet is
      shown. Where `exact` is False: the n-th smallest is the time of the n-th
      frame that the decoder gives.
    exact: True: a packet's time is that of its own frame.
    end: end of the last frame, in s; infinite: the stream goes on.
    origin: time of a frame at which the player's clock shows 0, in s.
  """

  packets: list = field(default_factory=list)
  times: np.ndarray = field(default_factory=lambda: np.zeros(0))
  exact: bool = True
  end: float = 0.0
  origin: float = 0.0


def _display_delay(packets: list) -> float:
  """By how much FFmpeg's times of an AVI with B-frames are too late, in s.

  AVI says only when a picture is decoded. With B-frames a picture is decoded
  one step before it is shown, so all times come out one frame too late.
  """
  ticks = [packet.dts for packet in packets if packet.dts is not None]
  steps = np.diff(np.sort(ticks))
  return float(np.median(steps) * packets[0].time_base) if len(steps) else 0.0


def _seek_packets(container, stream, start: float, end: float) -> _Packets:
  """Reads the packets that a stretch needs; start and end by player's clock."""
  if not start:
    return _read_packets(container, stream, end)
  origin = container_origin(container)
  for back in _RETRIES:
    # This goes to the last key frame at or before the place, where the
    # container has an index.
    place = max(0.0, start - back) + origin
    container.seek(int(place / stream.time_base), stream=stream, backward=True)
    stretch = _read_packets(container, stream, end)
    if any(
      packet.is_keyframe and time <= start + _ROUNDING
      for packet, time in zip(stretch.packets, stretch.times, strict=True)
    ):
      break
  return stretch


def _read_packets(container, stream, end: float) -> _Packets:
  """Reads packets from where a container stands up to `end`, in s."""
  frame_rate = float(stream.average_rate or stream.guessed_rate or 0)
  frame_rate = frame_rate or _DEFAULT_RATE
  origin = container_origin(container)
  avi = container.format.name == "avi"
  if avi:
    # In decoding order a frame of the stretch may stand behind later ones.
    end += _MOST_REORDERED / frame_rate
  packets, ended = [], True
  for packet in container.demux(stream):
    if packet.size == 0 and packet.pts is None and packet.dts is None:
      break  # the flush at the end
    ticks = packet.pts if packet.dts is None else packet.dts
    # A frame is never shown before it is decoded: nothing wanted follows.
    if ticks is not None and float(ticks * packet.time_base) - origin >= end:
      ended = False
      break
    packets.append(packet)
  exact = all(packet.pts is not None for packet in packets)
  if avi and stream.codec_context.name in _UNTIMED_IN_AVI:
    exact = False
  elif avi and stream.codec_context.has_b_frames:
    origin += _display_delay(packets)
  return _time_packets(packets, exact, ended, origin, frame_rate)


def _time_packets(
  packets: list, exact: bool, ended: bool, origin: float, frame_rate: float
) -> _Packets:
  """Gives packets their times.

  Args:
    packets: packets in decoding order.
    exact: True: they know when their frames are shown.
    ended: True: they reach the end of the stream.
    origin: time at which the player's clock shows 0, in s.
    frame_rate: frames/s, where packets have no times or durations.
  """
  if not packets:
    return _Packets()
  base = float(packets[0].time_base)
  ticks = [packet.pts if exact else packet.dts for packet in packets]
  if any(each is None for each in ticks):
    times = np.arange(len(packets)) / frame_rate
  else:
    times = np.array(ticks, np.float64) * base - origin
  last = packets[int(times.argmax())]
  length = float((last.duration or 0) * base) or 1 / frame_rate
  stop = float(times.max()) + length if ended else np.inf
  return _Packets(packets, times, exact, stop, origin)


def _needed_runs(stretch: _Packets, wanted: np.ndarray) -> Iterator[slice]:
  """Yields the runs of packets that have to be decoded for the wanted ones.

  Packets from one key frame to the next are a group. A run starts at a key
  frame and ends at a wanted packet. A frame that follows a key frame in the
  stream and is shown before it may depend on the group before, too; then that
  group belongs to the run.

  Args:
    stretch: packets and their times.
    wanted: bool[N], one per packet.
  """
  keys = [n for n, packet in enumerate(stretch.packets) if packet.is_keyframe]
  starts = [0, *(key for key in keys if key)]
  groups = list(zip(starts, [*starts[1:], len(wanted)], strict=True))
  needed = []
  for number, (first, last) in enumerate(groups):
    inside = np.flatnonzero(wanted[first:last]) + first
    needed.append(len(inside) > 0)
    if (
      number
      and len(inside)
      and stretch.times[inside].min() < stretch.times[first]
    ):
      needed[number - 1] = True
  position = 0
  while position < len(groups):
    if not needed[position]:
      position += 1
      continue
    begin = groups[position][0]
    while position < len(groups) and needed[position]:
      position += 1
    stop = groups[position - 1][1]
    yield slice(begin, int(np.flatnonzero(wanted[:stop]).max()) + 1)


class _Decoder:
  """Decodes packets, and counts those that cannot be decoded."""

  def __init__(self, stream):
    self._context = stream.codec_context
    # dav1d (AV1) reads it once, at its start.
    self._skips = self._context.name != "libdav1d"
    self.base = stream.time_base
    self.errors = 0

  def _decode(self, packet) -> list:
    import av

    try:
      return self._context.decode(packet)
    except av.error.EOFError:
      return []
    except av.FFmpegError:
      self.errors += 1
      return []

  def run(self, packets: Sequence, wanted: np.ndarray | None) -> Iterator:
    """Yields the frames of one run.

    Args:
      packets: packets of the run, the first one a key frame.
      wanted: bool[N]; frames that are not wanted are skipped, unless other
        frames depend on them. None: everything is decoded.
    """
    for number, packet in enumerate(packets):
      passing = self._skips and wanted is not None and not wanted[number]
      self._context.skip_frame = "NONREF" if passing else "DEFAULT"
      yield from self._decode(packet)
    yield from self._decode(None)
    self._context.flush_buffers()


def _shown_at(
  frames: Iterator[tuple[float, object]], times: np.ndarray
) -> Iterator[tuple[float, object]]:
  """Picks the frame that is shown at each time, none of them twice.

  Args:
    frames: (time in s, frame), ascending.
    times: float64[T] in s, ascending.
  """
  shown, position = None, 0
  for time, frame in frames:
    if shown is not None and position < len(times) and times[position] < time:
      yield shown
      while position < len(times) and times[position] < time:
        position += 1
    if position == len(times):
      return
    shown = time, frame
  if shown is not None and position < len(times):
    yield shown


def _timed_frames(
  stretch: _Packets, wanted: np.ndarray, decoder: _Decoder
) -> Iterator[tuple[float, object]]:
  """Decodes what the wanted packets need; yields (time in s, frame)."""
  if stretch.exact:
    for run in _needed_runs(stretch, wanted):
      for frame in decoder.run(stretch.packets[run], wanted[run]):
        if frame.pts is not None:
          # Not frame.time: frames that come at the end have no time base.
          yield float(frame.pts * decoder.base) - stretch.origin, frame
    return
  # All that is known is that frames come out in the order in which they are
  # shown: so the n-th frame gets the n-th time.
  order = np.sort(stretch.times)
  for number, frame in enumerate(decoder.run(stretch.packets, None)):
    yield order[min(number, len(order) - 1)], frame


def _find_stretch(
  container,
  stream,
  media: Media,
  settings: VideoSettings,
  inspection: Inspection,
) -> tuple[_Packets, float]:
  """The packets of a stretch, and its end in s.

  Raises:
    MediaError: there are no pictures between start and end.
  """
  start = media.start or 0.0
  whole = find_end(container, stream)
  check_length(media, whole, settings.far_seconds, inspection)
  due = media.end if media.end is not None else (whole or np.inf)
  limit = min(due, start + settings.max_seconds)
  stretch = _seek_packets(container, stream, start, limit)
  end = min(limit, stretch.end)
  if end <= start:
    raise MediaError(
      "out_of_range",
      f"starts at {start:.1f} s, the pictures end at {stretch.end:.1f}",
    )
  # Without a known end, the pictures say whether there is more than is taken.
  known = np.isfinite(due)
  if due > limit and (known or stretch.end > limit):
    inspection.report("too_long", f"cut at {settings.max_seconds:g} s")
  if known and end < limit - END_TOLERANCE:
    inspection.report("short", f"ends at {end:.1f} of {limit:.1f} s")
  return stretch, end


def _pick_frames(
  container,
  media: Media,
  settings: VideoSettings,
  inspection: Inspection,
  rate: float | None,
) -> Iterator[tuple[float, object]]:
  """Yields the wanted frames of an open container, with their times in s."""
  stream = _open_track(container)
  start = media.start or 0.0
  stretch, end = _find_stretch(container, stream, media, settings, inspection)
  # The middles of equal parts of the stretch do not depend on the frame rate.
  count = settings.frames if rate is None else math.ceil(rate * (end - start))
  parts = (np.arange(count) + 0.5) / count
  times = start + parts * (end - start)
  order = np.sort(stretch.times)
  # Times were rounded to the container's ticks; half a microsecond of grace
  # keeps a frame that starts at the very time from being missed.
  places = np.searchsorted(order, times + _ROUNDING, side="right") - 1
  chosen = np.unique(order[places.clip(0)])
  decoder = _Decoder(stream)
  frames = _timed_frames(stretch, np.isin(stretch.times, chosen), decoder)
  picked = corrupt = 0
  for time, frame in _shown_at(frames, chosen + _ROUNDING):
    picked += 1
    corrupt += frame.is_corrupt
    yield time, frame
  if not picked:
    raise MediaError("unreadable", "no picture can be decoded")
  lost = len(chosen) - picked
  if decoder.errors or corrupt or lost:
    inspection.report(
      "damaged",
      f"{decoder.errors} packets of pictures cannot be decoded; of "
      f"{len(chosen)} frames {lost} are lost, {corrupt} damaged",
    )


def _open_track(container):
  """The first video stream that is not a cover picture."""
  import av

  for stream in container.streams.video:
    if not stream.disposition & av.stream.Disposition.attached_pic:
      # One thread, because other processes work on other clips.
      stream.thread_type = "NONE"
      return stream
  raise MediaError("no_track", "no pictures")


def _to_rgb(frame, aspect: float, region: str) -> np.ndarray:
  """A frame as uint8[H, W, 3]: square pixels, upright, the wanted half.

  Args:
    frame: decoded frame.
    aspect: width of a pixel, in heights.
    region: "left", "right" or "" (all).
  """
  width = round(frame.width * aspect)
  picture = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
  # A phone held upright stores its pictures lying on their side, with a note
  # of how to turn them.
  if turns := round(frame.rotation / 90) % 4:
    picture = np.rot90(picture, turns)
  half = picture.shape[1] // 2
  if region:
    picture = picture[:, :half] if region == "left" else picture[:, -half:]
  return np.ascontiguousarray(picture)


class _Look:
  """Finds out whether all pictures of a clip are black, or all the same."""

  def __init__(self):
    self._first: np.ndarray | None = None
    self._brightest, self._moving, self._count = 0, False, 0

  def see(self, picture: np.ndarray) -> None:
    self._count += 1
    if self._brightest < _BLACK_LEVEL:
      self._brightest = max(self._brightest, int(picture.max()))
    if self._first is None:
      self._first = picture
    elif not self._moving:
      self._moving = not np.array_equal(self._first, picture)

  def report(self, inspection: Inspection) -> None:
    # Some MOSEI videos are black from end to end.
    if self._brightest < _BLACK_LEVEL:
      inspection.report("black")
    elif self._count > 1 and not self._moving:
      inspection.report("still", f"{self._count} frames")


def extract_frames(
  media: Media,
  settings: VideoSettings,
  inspection: Inspection,
  rate: float | None = None,
) -> Iterator[tuple[float, np.ndarray]]:
  """Decodes evenly spaced frames of a clip, one at a time.

  Args:
    media: file with start and end in seconds, and the half of the picture.
    settings: number of frames (`frames`), and the limits in seconds.
    inspection: takes the findings.
    rate: frames/s; None: `settings.frames` of them.

  Yields:
    Time in s by the player's clock, and uint8[H, W, 3], RGB. No frame is
    repeated: a clip with fewer frames gives fewer.

  Raises:
    MediaError: unreadable, no pictures, or all of them black (at the end).
  """
  import av

  check_file(media)
  look = _Look()
  try:
    with av.open(str(media.path)) as container:
      picked = _pick_frames(container, media, settings, inspection, rate)
      for time, frame in picked:
        aspect = float(container.streams.video[0].sample_aspect_ratio or 1)
        picture = _to_rgb(frame, aspect, media.region)
        look.see(picture)
        yield time, picture
  except (av.FFmpegError, OSError) as error:
    # Without the path, so that the report can group equal reasons.
    raise MediaError("unreadable", str(error.strerror or error)) from error
  look.report(inspection)
