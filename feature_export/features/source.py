"""Checks that sound and pictures share: of a file, an interval, a length."""

from feature_export.corpora.utterance import Media
from feature_export.errors import InputError, MediaError
from feature_export.features.findings import Inspection
from feature_export.files import check_is_no_pointer

# s. Sound and pictures of a file rarely end together, and annotated ends are
# often some frames after the last one. Half a second is more than that: then
# something has been lost.
END_TOLERANCE = 0.5


def check_file(media: Media) -> None:
  """Raises MediaError where there is no file, or nothing in it."""
  if not media.path.is_file():
    raise MediaError("missing")
  if not media.path.stat().st_size:
    raise MediaError("empty")
  try:
    check_is_no_pointer(media.path)
  except InputError as error:
    detail = "a Git LFS pointer, not the file; run `git lfs pull`"
    raise MediaError("unreadable", detail) from error
  if media.end is not None and media.end <= (media.start or 0.0):
    raise MediaError("out_of_range", "the interval ends before it starts")


def check_length(
  media: Media, end: float, far_seconds: float, inspection: Inspection
) -> None:
  """Reports intervals behind the end, and files too long for one utterance.

  Args:
    media: file and interval.
    end: end of the whole track by the player's clock, in s; 0: unknown.
    far_seconds: length from which on a file without an interval is no single
      utterance.
    inspection: takes the findings.
  """
  start = media.start or 0.0
  if end and start >= end:
    raise MediaError(
      "out_of_range", f"starts at {start:.1f} s, the file ends at {end:.1f}"
    )
  if media.end is None and end - start > far_seconds:
    inspection.report("far_too_long", f"{end - start:.0f} s")


def container_origin(container) -> float:
  """The container's own time at which a player's clock shows 0, in s.

  Annotators read times off a player, so intervals count from here. A single
  stream may start later.
  """
  return (container.start_time or 0) / 1_000_000  # FFmpeg's AV_TIME_BASE


def find_end(container, track) -> float:
  """End of a track by the player's clock, in s; 0: unknown.

  Not its duration: that counts from where the track starts, which may be late.
  A track that has none is taken to end with its container.
  """
  if not track.duration:
    return (container.duration or 0) / 1_000_000  # FFmpeg's AV_TIME_BASE
  ticks = (track.start_time or 0) + track.duration
  return float(ticks * track.time_base) - container_origin(container)
