"""Shared by the tests of the importers."""

from collections import defaultdict
from pathlib import Path

import pytest

from feature_export.corpora.utterance import Corpus


def remarks_by_kind(corpus: Corpus) -> dict[str, list[tuple[str, str]]]:
  """kind -> (id, detail) of its remarks, in order."""
  kinds = defaultdict(list)
  for remark in corpus.remarks:
    kinds[remark.kind].append((remark.id, remark.detail))
  return dict(kinds)


@pytest.fixture
def by_kind():
  return remarks_by_kind


@pytest.fixture
def touch():
  """Makes an empty file: importers only look whether a file is there."""

  def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path

  return make


@pytest.fixture
def write_text():
  """Writes a file, making its folder; bytes are written as they are."""

  def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
      content = content.encode()
    path.write_bytes(content)
    return path

  return write


@pytest.fixture
def write_csd():
  """Writes a computational sequence as the SDK does."""
  import h5py

  def write(path: Path, root: str, videos: dict[str, list]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
      for video, rows in videos.items():
        group = file.create_group(f"{root}/data/{video}")
        group["features"] = [row[2:] for row in rows]
        group["intervals"] = [row[:2] for row in rows]
      file.create_group(f"{root}/metadata")["root name"] = root
    return path

  return write
