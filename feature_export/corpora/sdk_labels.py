"""Reads labels of the CMU Multimodal SDK: computational sequences, `.csd`.

HDF5: `/<root>/data/<video>/{features, intervals}`. The root's name differs
between files and releases, so the only group with `data` inside is taken.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_export.errors import InputError
from feature_export.files import check_is_no_pointer
from unimse_cli import storage


@dataclass(frozen=True)
class LabelledSegments:
  """The annotated stretches of one video, in the file's order.

  Attributes:
    scores: float64[N], sentiment in [-3, 3].
    intervals: float64[N, 2], start and end in s.
  """

  scores: np.ndarray
  intervals: np.ndarray


def _read_video(group, origin: str) -> LabelledSegments:
  """Reads one video's group.

  Raises:
    ValueError: other members or shapes.
  """
  for key in ("features", "intervals"):
    if key not in group:
      raise ValueError(f"{origin}: no {key!r}")
  features = np.asarray(group["features"], np.float64)
  intervals = np.asarray(group["intervals"], np.float64)
  if features.ndim != 2 or intervals.shape != (len(features), 2):
    raise ValueError(
      f"{origin}: expected features [N, D] and intervals [N, 2], found "
      f"{list(features.shape)} and {list(intervals.shape)}"
    )
  return LabelledSegments(features[:, 0], intervals)


def read_labels(path: Path) -> dict[str, LabelledSegments]:
  """Video -> its labels. Column 0 is the sentiment in MOSI and in MOSEI.

  Raises:
    InputError: no HDF5, no computational sequence, or one without a video.
  """
  import h5py

  check_is_no_pointer(path)
  expected = "/<root>/data/<video>/{features, intervals}"
  try:
    with h5py.File(storage.fetch(str(path)), "r") as file:
      roots = [key for key in file if "data" in file[key]]
      if len(roots) != 1:
        raise ValueError(f"groups with data: {len(roots)} of {list(file)}")
      data = file[roots[0]]["data"]
      # h5py gives keys as str, numeric ids included.
      labels = {video: _read_video(data[video], video) for video in data}
  except (OSError, ValueError, TypeError) as error:
    raise InputError(
      f"{path}: expected a .csd file, {expected}; {error}. Get it again from "
      "the CMU Multimodal SDK."
    ) from error
  if not labels:
    raise InputError(f"{path}: expected {expected}; found no video.")
  return labels
