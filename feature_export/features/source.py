"""What sound and pictures have in common: a file, an interval, a length."""

from feature_export.corpora.utterance import Media
from feature_export.errors import MediaError
from feature_export.features.findings import Inspection

# s. Sound and pictures of a file rarely end together, and annotated ends are
# often some frames behind the last one; half a second is a loss.
END_TOLERANCE = 0.5


def check_file(media: Media) -> None:
  """Raises MediaError where there is no file, or nothing in it."""
  if not media.path.is_file():
    raise MediaError("missing")
  if not media.path.stat().st_size:
    raise MediaError("empty")
  if media.end is not None and media.end <= (media.start or 0.0):
    raise MediaError("out_of_range", "the interval ends before it starts")


def check_length(
  media: Media, length: float, far_seconds: float, inspection: Inspection
) -> None:
  """Reports intervals behind the end, and files that are no utterance.

  Args:
    length: of the whole file in s; 0 where unknown.
    far_seconds: an utterance in a file of its own is not longer.
  """
  start = media.start or 0.0
  if length and start >= length:
    raise MediaError(
      "out_of_range", f"starts at {start:.1f} s, the file ends at {length:.1f}"
    )
  if media.end is None and length - start > far_seconds:
    inspection.report("far_too_long", f"{length - start:.0f} s")


def container_origin(container) -> float:
  """Where a player's clock reads 0, in the container's own time, in s.

  Annotators read times off a player. A stream may start later than this.
  """
  return (container.start_time or 0) / 1_000_000  # FFmpeg's AV_TIME_BASE
