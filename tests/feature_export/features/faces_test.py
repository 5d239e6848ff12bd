"""Tests of face detection, on a real face."""

import numpy as np
import pytest

from feature_export.corpora.utterance import Media
from feature_export.errors import InputError
from feature_export.extraction.media_extractor import MediaExtractor
from feature_export.features.efficientnet import DEFAULT_BACKBONE, find_weights
from feature_export.features.faces import (
  crop_largest,
  describe_faces,
  follow,
  load_detector,
)
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  VideoSettings,
)
from feature_export.features.weights import hash_weights

# Where the face is in scikit-image's astronaut, by eye: x, y of its middle.
MIDDLE = (225, 120)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
  from skimage import data

  return data.astronaut()


@pytest.fixture(scope="module")
def find():
  return load_detector(describe_faces("haar", None), None)


def _holds(box, x: float, y: float) -> bool:
  return box[0] < x < box[0] + box[2] and box[1] < y < box[1] + box[3]


def test_a_real_face_is_found_and_only_it(astronaut, find):
  (box,) = find(astronaut)
  assert _holds(box, *MIDDLE)
  assert 60 < box[2] < 170
  assert find(astronaut[250:]) == []  # the suit
  assert find(np.full((240, 320, 3), 128, np.uint8)) == []


def test_a_small_face_in_a_large_picture(astronaut, find):
  canvas = np.full((1080, 1920, 3), 90, np.uint8)
  canvas[300:812, 900:1412] = astronaut
  (box,) = find(canvas)
  assert _holds(box, 900 + MIDDLE[0], 300 + MIDDLE[1])


def test_a_face_is_followed_and_found_again(astronaut, find):
  searched = []

  def watching(picture, least):
    searched.append(picture.shape[:2])
    return find(picture, least)

  following = follow(watching)
  (first,) = following(astronaut)
  (second,) = following(np.roll(astronaut, 8, axis=1))
  assert searched[1][0] < 300  # only around the face
  assert abs(second[0] - first[0] - 8) <= 8
  # Far away: nothing around the old place, so everything is searched.
  (third,) = following(np.roll(astronaut, 180, axis=1))
  assert searched[-1] == (512, 512)
  assert abs(third[0] - first[0] - 180) <= 8


def test_large_faces_first_finds_the_same_faces(astronaut, find, monkeypatch):
  """A search from large to small ends with the box of one for everything."""
  import cv2

  from feature_export.features import faces

  pictures = []
  for scale in (0.7, 1.0, 1.4):
    picture = np.full((360, 640, 3), 90, np.uint8)
    part = cv2.resize(astronaut, None, fx=scale, fy=scale)[:360, :640]
    picture[: part.shape[0], : part.shape[1]] = part
    pictures.append(picture)
  quick = [find(each) for each in pictures]
  monkeypatch.setattr(faces, "_LARGE_SHARE", 0.0)
  thorough = [find(each) for each in pictures]
  for some, all_of_them in zip(quick, thorough, strict=True):
    found, wanted = (max(b, key=lambda x: x[2]) for b in (some, all_of_them))
    # A box is the mean of its neighbours, of which a few may be missing.
    np.testing.assert_allclose(found, wanted, atol=2)


def test_the_largest_box_is_cut_without_margin():
  picture = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
  crop = crop_largest(picture, [(0, 0, 5, 5), (10, 4, 8, 8), (1, 1, 2, 2)])
  np.testing.assert_array_equal(crop, picture[4:12, 10:18])
  # What lies outside the picture is no face; equal boxes: the left one.
  crop = crop_largest(picture, [(28, 18, 9, 9), (5, 5, 2, 2), (1, 5, 2, 2)])
  np.testing.assert_array_equal(crop, picture[5:7, 1:3])
  assert crop_largest(picture, []) is None
  assert crop_largest(picture, [(40, 40, 5, 5)]) is None


def test_detectors_are_described():
  haar = describe_faces("haar", None)
  assert haar.version
  assert all(len(sha256) == 64 for sha256 in haar.files.values())
  assert describe_faces("none", None).crop == "whole frame"


def test_yunet_needs_its_file(tmp_path):
  with pytest.raises(InputError, match="needs --face_model"):
    describe_faces("yunet", None)
  with pytest.raises(InputError, match="goes with --faces yunet"):
    describe_faces("haar", tmp_path / "model.onnx")
  path = tmp_path / "model.onnx"
  path.write_text("no model")
  with pytest.raises(InputError, match="no YuNet model"):
    load_detector(describe_faces("yunet", path), path)


def _film(path, pictures) -> None:
  import av

  with av.open(str(path), "w") as container:
    stream = container.add_stream("libx264", rate=5)
    stream.height, stream.width = pictures[0].shape[:2]
    stream.pix_fmt, stream.options = "yuv420p", {"crf": "10"}
    for picture in pictures:
      frame = av.VideoFrame.from_ndarray(
        np.ascontiguousarray(picture), format="rgb24"
      )
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _extract(path, region=""):
  weights = find_weights(DEFAULT_BACKBONE, None)
  video = VideoSettings(
    *(DEFAULT_BACKBONE, hash_weights(weights), 64, 4),
    faces=describe_faces("haar", None),
  )
  settings = ExtractionSettings(AudioSettings(), video, weights, device="cpu")
  found = MediaExtractor(settings).extract("video", Media(path, region=region))
  return found.values, [each.reason for each in found.findings]


def test_frames_without_a_face_are_left_out(tmp_path, astronaut):
  face, suit = astronaut[:250, 100:350], astronaut[250:500, 100:350]
  _film(tmp_path / "some.mp4", [face, suit, face, suit])
  values, findings = _extract(tmp_path / "some.mp4")
  assert len(values) == 2
  assert findings == ["frames_without_face: 2 of 4"]
  _film(tmp_path / "none.mp4", [suit, suit[::-1], suit, suit[::-1]])
  values, findings = _extract(tmp_path / "none.mp4")
  assert len(values) == 0
  assert findings[-1] == "no_face: no face in any frame"


def test_each_half_has_its_own_face(tmp_path, astronaut):
  face = astronaut[:250, 100:350]
  dark = (face * 0.6).astype(np.uint8)[:, ::-1]
  both = np.concatenate([face, dark], axis=1)
  _film(tmp_path / "both.mp4", [both] * 2)
  _film(tmp_path / "left.mp4", [face] * 2)
  _film(tmp_path / "right.mp4", [dark] * 2)

  def distance(half: str, alone: str) -> float:
    one = _extract(tmp_path / "both.mp4", half)[0].astype(float)
    other = _extract(tmp_path / alone)[0].astype(float)
    return float(np.abs(one.mean(axis=0) - other.mean(axis=0)).mean())

  # Compression differs between the films, and boxes by a pixel or two.
  assert distance("left", "left.mp4") < 0.5 * distance("left", "right.mp4")
  assert distance("right", "right.mp4") < 0.5 * distance("right", "left.mp4")
