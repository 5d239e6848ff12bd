"""Tests of picking frames from a video."""

import numpy as np
import pytest

from feature_export.corpora.utterance import Media
from feature_export.errors import MediaError
from feature_export.features import video
from feature_export.features.findings import Inspection, default_policies
from feature_export.features.settings import VideoSettings


def extract_frames(
  media: Media, count: int, kinds: list[str] | None = None
) -> np.ndarray:
  """All frames at once; the kinds of findings are put into `kinds`."""
  inspection = Inspection(default_policies("video"))
  settings = VideoSettings("none", "0" * 64, frames=count)
  found = list(video.extract_frames(media, settings, inspection))
  frames = [frame for _, frame in found]
  if kinds is not None:
    kinds += [each.kind for each in inspection.findings()]
  return np.stack(frames)


# Frame i of the test video has grey level 10 * (i + 2), MPEG-4 keeps it
# within 3.
LEVELS = [10 * (index + 2) for index in range(20)]


@pytest.fixture
def clip(tmp_path, write_video):
  return write_video(tmp_path / "clip.mp4", LEVELS, fps=10)


def _shown(frames: np.ndarray) -> list[int]:
  """Which frames of the test video these are."""
  return [round(float(frame.mean()) / 10) - 2 for frame in frames]


def test_frames_are_evenly_spaced_over_the_clip(clip):
  frames = extract_frames(Media(clip), 4)
  assert frames.shape == (4, 48, 64, 3)
  assert frames.dtype == np.uint8
  # The middles of four parts of 2 s: 0.25, 0.75, 1.25 and 1.75 s.
  assert _shown(frames) == [2, 7, 12, 17]


def test_frames_between_start_and_end(clip):
  assert _shown(extract_frames(Media(clip, 1.0, 1.5), 2)) == [11, 13]
  # An end beyond the stream is the stream's end.
  assert _shown(extract_frames(Media(clip, 1.6, 9.0), 2)) == [17, 19]


def test_no_frame_is_repeated(clip):
  assert _shown(extract_frames(Media(clip, 0.5, 0.8), 32)) == [5, 6, 7]
  assert _shown(extract_frames(Media(clip), 32)) == list(range(20))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_pictures_that_start_late_are_taken_to_their_end(
  tmp_path, write_video, suffix
):
  """Sound from 0 to 3 s, pictures from 1 to 3: their duration is no end."""
  path = tmp_path / f"late.{suffix}"
  write_video(path, LEVELS, fps=10, tone=True, late=10)
  kinds = []
  # The middles of six parts of 3 s, the first two before the first picture.
  frames = extract_frames(Media(path), 6, kinds)
  assert (_shown(frames), kinds) == ([0, 2, 7, 12, 17], [])
  frames = extract_frames(Media(path, 2.28, 2.88), 3, kinds)
  assert (_shown(frames), kinds) == ([13, 15, 17], [])


def test_channels_are_red_green_blue(tmp_path):
  import av

  path = tmp_path / "red.mp4"
  with av.open(str(path), "w") as container:
    stream = container.add_stream("mpeg4", rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[..., 0] = 200
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
  (frame,) = extract_frames(Media(path), 1)
  np.testing.assert_allclose(frame.mean(axis=(0, 1)), [200, 0, 0], atol=6)


def test_unusable_videos(tmp_path, clip, write_tone, write_video):
  with pytest.raises(MediaError, match="missing"):
    extract_frames(Media(tmp_path / "gone.mp4"), 4)
  with pytest.raises(MediaError, match="no_track"):
    extract_frames(Media(write_tone(tmp_path / "tone.wav")), 4)
  with pytest.raises(MediaError, match="out_of_range"):
    extract_frames(Media(clip, 5.0, 6.0), 4)
  with pytest.raises(MediaError, match="black"):
    extract_frames(Media(write_video(tmp_path / "b.mp4", [0] * 5)), 4)
  # The index of an mp4 comes last: half a file has none.
  half = tmp_path / "half.mp4"
  half.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
  with pytest.raises(MediaError, match="unreadable"):
    extract_frames(Media(half), 4)


@pytest.mark.parametrize("codec", ["libsvtav1", "libx264"])
def test_frames_of_an_interval_are_its_own(tmp_path, codec):
  """dav1d, the decoder of AV1, gave every second frame in its place."""
  import av

  def picture(number: int) -> np.ndarray:
    """The number in eight stripes."""
    stripes = np.where(number >> np.arange(8) & 1, 230, 25).astype(np.uint8)
    return np.broadcast_to(stripes.repeat(20)[None, :, None], (64, 160, 3))

  path = tmp_path / "a.mp4"
  with av.open(str(path), "w") as container:
    stream = container.add_stream(codec, rate=25)
    stream.width, stream.height, stream.pix_fmt = 160, 64, "yuv420p"
    for number in range(200):
      frame = av.VideoFrame.from_ndarray(
        np.ascontiguousarray(picture(number)), format="rgb24"
      )
      frame.pts = number
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
  inspection = Inspection(default_policies("video"))
  settings = VideoSettings("none", "0" * 64)
  found = [
    frame.reshape(64, 8, 20, 3)[:, :, 5:15].mean((0, 2, 3)) > 127
    for _, frame in video.extract_frames(
      Media(path, 4.0, 5.0), settings, inspection
    )
  ]
  assert np.dot(found, 1 << np.arange(8)).tolist() == [*range(100, 125)]
  assert not inspection.findings()
