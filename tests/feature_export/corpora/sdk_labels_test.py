"""Tests of the reader of computational sequences."""

import h5py
import pytest

from feature_export.corpora.sdk_labels import read_labels
from feature_export.errors import InputError


def test_sentiment_is_column_0(tmp_path, write_csd):
  path = write_csd(
    tmp_path / "x.csd",
    "All Labels",
    {"0012": [[0, 1.5, -1.0, 0.3], [1.5, 2, 2.0, 0]], "-a_": [[3, 4, 0, 1]]},
  )
  labels = read_labels(path)
  assert set(labels) == {"0012", "-a_"}
  assert labels["0012"].scores.tolist() == [-1, 2]
  assert labels["0012"].intervals.tolist() == [[0, 1.5], [1.5, 2]]


def test_faults_are_readable(tmp_path, write_csd):
  path = tmp_path / "x.csd"
  path.write_text("no HDF5")
  with pytest.raises(InputError, match="expected a .csd file"):
    read_labels(path)
  write_csd(path, "All Labels", {})
  with pytest.raises(InputError, match="groups with data: 0"):
    read_labels(path)
  with h5py.File(path, "w") as file:
    file.create_group("A/data")
  with pytest.raises(InputError, match="found no video"):
    read_labels(path)
  with h5py.File(path, "w") as file:
    file["A/data/v/features"] = [[1.0], [2.0]]
    file["A/data/v/intervals"] = [[0.0, 1.0]]
  with pytest.raises(InputError, match=r"found \[2, 1\] and \[1, 2\]"):
    read_labels(path)
  with h5py.File(path, "w") as file:
    file["A/data/v/features"] = [[1.0]]
  with pytest.raises(InputError, match="no 'intervals'"):
    read_labels(path)
