"""Faces in frames: where they are, and the crop that the network sees.

The crop is HSEmotion's: the detector's box as it is, no margin, no alignment.
Haar cascades come with OpenCV and need no download; YuNet finds more faces
(turned, tilted, small) but its file is the user's own.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from feature_export.errors import InputError
from feature_export.features.settings import FaceSettings, SpeakerSettings
from feature_export.files import hash_file
from unimse_cli import storage

DETECTORS = ("haar", "yunet", "none")
# Tried in this order. The profile cascade knows left profiles only, so it is
# tried on the mirrored picture, too.
_FRONT = "haarcascade_frontalface_alt2.xml"
_PROFILE = "haarcascade_profileface.xml"
# Longest side of the picture that is searched, pixels. A face of a tenth of
# its height then has 40 pixels, twice what the cascades were trained with; in a
# picture of 480 it is missed.
_HAAR_SIDE = 720
_HAAR = {"side": _HAAR_SIDE, "scale": 1.1, "neighbours": 5, "least_share": 0.08}
# How far around the last box a face is looked for first, in box sizes.
_FOLLOW_MARGIN = 0.5
# Longest side of what is searched around it, pixels: the face has half of it.
_FOLLOW_SIDE = 160
# Smallest face that is looked for there, in sizes of the last one. Most of the
# time of a search goes into its smallest boxes.
_FOLLOW_LEAST = 0.5
# In a whole frame large faces are looked for first, because that is a third of
# the work: boxes of at least this share of the shorter side. Only the largest
# face is wanted, so smaller ones matter only where there is no large one.
_LARGE_SHARE = 0.15
# A box is the mean of several that overlap. Near the smallest size some of
# these are missing and the box is off, so only boxes this much larger count.
_LARGE_CERTAIN = 1.6
_YUNET = {"side": 640, "score": 0.7, "overlap": 0.3}

# x, y, width, height in pixels
Box = tuple[int, int, int, int]


# (picture, least side of a box in pixels, 0: the detector's own; every=True:
# small faces beside large ones, too) -> boxes
Detector = Callable[..., list[Box]]


def _import_opencv():
  try:
    import cv2
  except ImportError as error:
    raise InputError(
      f"Face detection needs OpenCV ({error}): pip install "
      "'opencv-python-headless>=4.10,<5', or give --faces none."
    ) from error
  return cv2


def _cascade_files() -> list[Path]:
  """The files of the Haar cascades, which OpenCV 5 no longer has."""
  cv2 = _import_opencv()
  folder = Path(cv2.__file__).parent / "data"
  files = [folder / _FRONT, folder / _PROFILE]
  if not all(file.is_file() for file in files):
    raise InputError(
      f"OpenCV {cv2.__version__} brings no Haar cascades; expected "
      "opencv-python-headless>=4.10,<5. Install it, or give --faces yunet "
      "--face_model FILE or --faces none."
    )
  return files


def describe_faces(
  detector: str, model: Path | None, speaker: SpeakerSettings | None = None
) -> FaceSettings:
  """The settings of a detector by name.

  Args:
    detector: one of `DETECTORS`.
    model: YuNet's file, face_detection_yunet_*.onnx.
    speaker: how the speaking face is found; None: the largest face is taken.

  Raises:
    InputError: missing package or file, or a file that nothing uses.
  """
  if detector != "yunet" and model is not None:
    raise InputError("--face_model goes with --faces yunet only.")
  if detector == "none" and speaker is not None:
    raise InputError(
      "--faces_choice speaking: expected --faces haar or yunet, found none: "
      "without a detector there are no faces to choose from."
    )
  if detector == "none":
    return FaceSettings()
  if detector == "haar":
    files, parameters = _cascade_files(), _HAAR
  elif model is None or not model.is_file():
    raise InputError(
      f"--faces yunet needs --face_model FILE, found {model}: the file "
      "face_detection_yunet_2023mar.onnx of OpenCV's model zoo. Nothing is "
      "downloaded silently."
    )
  else:
    files, parameters = [model], _YUNET
  return FaceSettings(
    detector,
    _import_opencv().__version__,
    {file.name: hash_file(file) for file in files},
    dict(parameters),
    "largest box, followed through the clip; no margin, no alignment",
    speaker,
  )


def _reduce(picture: np.ndarray, side: int) -> tuple[np.ndarray, float]:
  """Shrinks a picture whose longer side exceeds `side`.

  Returns:
    The picture, and its size in sizes of the original: at most 1.
  """
  import cv2

  height, width = picture.shape[:2]
  scale = min(1.0, side / max(height, width))
  size = (max(1, round(width * scale)), max(1, round(height * scale)))
  if scale == 1.0:
    return picture, scale
  return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), scale


def _load_haar(settings: FaceSettings) -> Detector:
  import cv2

  front, profile = (
    cv2.CascadeClassifier(str(file)) for file in _cascade_files()
  )
  chosen = settings.parameters

  def search(cascade, image, least: int) -> list[Box]:
    boxes = cascade.detectMultiScale(
      image,
      scaleFactor=chosen["scale"],
      minNeighbors=int(chosen["neighbours"]),
      minSize=(least, least),
    )
    return [tuple(map(int, box)) for box in boxes]

  def search_front(grey, least: int, every: bool) -> list[Box]:
    large = round(_LARGE_SHARE * min(grey.shape))
    if least < large and not every:
      boxes = search(front, grey, large)
      if any(box[2] >= _LARGE_CERTAIN * large for box in boxes):
        return boxes
    return search(front, grey, least)

  def find(
    picture: np.ndarray, least: int = 0, every: bool = False
  ) -> list[Box]:
    reduced, scale = _reduce(picture, int(chosen["side"]))
    grey = cv2.equalizeHist(cv2.cvtColor(reduced, cv2.COLOR_RGB2GRAY))
    own = round(chosen["least_share"] * min(grey.shape))
    least = max(20, own, round(least * scale))
    boxes = search_front(grey, least, every) or search(profile, grey, least)
    if not boxes:
      mirrored = np.ascontiguousarray(grey[:, ::-1])
      boxes = [
        (grey.shape[1] - x - w, y, w, h)
        for x, y, w, h in search(profile, mirrored, least)
      ]
    return [tuple(round(value / scale) for value in box) for box in boxes]

  return find


def _load_yunet(settings: FaceSettings, model: Path) -> Detector:
  import cv2

  chosen = settings.parameters
  try:
    network = cv2.FaceDetectorYN.create(
      str(storage.fetch(str(model))),
      *("", (320, 320), chosen["score"], chosen["overlap"]),
    )
  except cv2.error as error:
    raise InputError(
      f"{model} is no YuNet model: {error}. Correct --face_model."
    ) from error

  def find(
    picture: np.ndarray, least: int = 0, every: bool = False
  ) -> list[Box]:
    reduced, scale = _reduce(picture, int(chosen["side"]))
    network.setInputSize(reduced.shape[1::-1])
    _, faces = network.detect(cv2.cvtColor(reduced, cv2.COLOR_RGB2BGR))
    return [
      tuple(round(float(value) / scale) for value in face[:4])
      for face in (faces if faces is not None else ())
      if min(face[2:4]) >= least * scale
    ]

  return find


def follow(detector: Detector) -> Callable[[np.ndarray], list[Box]]:
  """Makes a detector that looks near the last face before it searches a frame.

  A search of the whole frame takes several times longer. It also makes it less
  likely that another person's face is taken. It remembers the last face, so
  every clip needs a new one.
  """
  last: Box | None = None

  def find(picture: np.ndarray) -> list[Box]:
    nonlocal last
    boxes = []
    if last is not None:
      x, y, width, height = last
      left = max(0, round(x - _FOLLOW_MARGIN * width))
      top = max(0, round(y - _FOLLOW_MARGIN * height))
      right = round(x + (1 + _FOLLOW_MARGIN) * width)
      bottom = round(y + (1 + _FOLLOW_MARGIN) * height)
      window = np.ascontiguousarray(picture[top:bottom, left:right])
      reduced, scale = _reduce(window, _FOLLOW_SIDE)
      least = round(_FOLLOW_LEAST * min(width, height) * scale)
      for box in detector(reduced, least):
        x, y, width, height = (round(value / scale) for value in box)
        boxes.append((left + x, top + y, width, height))
    boxes = boxes or detector(picture, 0)
    last = max(boxes, key=lambda box: box[2] * box[3], default=None)
    return boxes

  return find


def load_detector(settings: FaceSettings, model: Path | None) -> Detector:
  """Loads a detector; the one of "none" gives the whole frame as the only box.

  Raises:
    InputError: a file that is no model.
  """
  if settings.detector == "none":
    return lambda picture, least=0: [(0, 0, picture.shape[1], picture.shape[0])]
  import cv2

  cv2.setNumThreads(1)  # other processes work on other clips
  if settings.detector == "haar":
    return _load_haar(settings)
  return _load_yunet(settings, model)


def crop_largest(picture: np.ndarray, boxes: list[Box]) -> np.ndarray | None:
  """Cuts the largest box out of a picture; None where there is no box.

  Of equally large boxes it takes the left one, then the upper one, so that the
  order in which a detector lists them does not matter.
  """
  inside = []
  for x, y, width, height in boxes:
    left, top = max(0, x), max(0, y)
    right = min(picture.shape[1], x + width)
    bottom = min(picture.shape[0], y + height)
    if right > left and bottom > top:
      inside.append((left, top, right, bottom))
  if not inside:
    return None
  left, top, right, bottom = min(
    inside,
    key=lambda box: (-(box[2] - box[0]) * (box[3] - box[1]), box[0], box[1]),
  )
  return picture[top:bottom, left:right]
