"""Finished features on disk, so that an interrupted export can go on.

There is one file per medium in the hidden work folder. Its name is the hash of
everything that its content depends on: the settings, the versions of the
decoders, the medium's path, size and time of change, and the interval. So
features of other settings, or of a file that has changed, are never taken.
"""

import hashlib
import importlib.metadata
import json
import os
import zipfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from feature_export.corpora.utterance import Media
from feature_export.features.extracted import Features
from feature_export.features.findings import Finding
from feature_export.features.settings import ExtractionSettings

# Raise it when a change of this package changes the features.
_EXTRACTION_VERSION = 5
_DEPENDENCIES = (
  *("av", "librosa", "numpy", "opencv-python-headless", "pillow"),
  *("soundfile", "timm", "torch"),
)


@cache
def _versions() -> dict[str, str]:
  """Package -> version, for the packages that can change features."""
  versions = {}
  for name in _DEPENDENCIES:
    try:
      versions[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      versions[name] = ""
  return versions


def _identify(media: Media) -> list:
  """What tells a medium from others, and from its own later content."""
  try:
    state = media.path.stat()
    stamp = [state.st_size, state.st_mtime_ns]
  except OSError:
    stamp = []
  place = [str(media.path.absolute()), media.start, media.end, media.region]
  return [*place, *stamp]


@dataclass(frozen=True)
class FeatureStore:
  """Features by modality and medium.

  Attributes:
    root: existing folder; every process must see the same one.
    settings: modality -> hash of its settings.
  """

  root: Path
  settings: dict[str, str]

  def _path(self, modality: str, media: Media) -> Path:
    content = json.dumps([self.settings[modality], _identify(media)])
    key = hashlib.sha256(content.encode()).hexdigest()
    return self.root / key[:2] / f"{key[2:]}.npz"

  def load(self, modality: str, media: Media) -> Features | None:
    """Features made before; None where there are none, or damaged ones."""
    try:
      # An npz is a zip archive, which checks a CRC of every member.
      with np.load(self._path(modality, media), allow_pickle=False) as file:
        findings = json.loads(str(file["findings"]))
        return Features(
          file["values"], tuple(Finding(**each) for each in findings)
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
      return None

  def save(self, modality: str, media: Media, features: Features) -> None:
    """Keeps features; a file appears only when it is complete."""
    path = self._path(modality, media)
    path.parent.mkdir(exist_ok=True)
    # By process: Beam may have two workers extract the same medium.
    draft = path.with_suffix(f".{os.getpid()}.partial")
    findings = json.dumps([asdict(each) for each in features.findings])
    with draft.open("wb") as file:
      np.savez(file, values=features.values, findings=np.array(findings))
    os.replace(draft, path)


def open_store(root: Path, settings: ExtractionSettings) -> FeatureStore:
  """Opens a store; its folder is made if it does not exist."""
  root.mkdir(parents=True, exist_ok=True)
  hashes = {}
  for modality, described in settings.describe().items():
    content = [_EXTRACTION_VERSION, _versions(), described]
    text = json.dumps(content, sort_keys=True)
    hashes[modality] = hashlib.sha256(text.encode()).hexdigest()
  return FeatureStore(root, hashes)
