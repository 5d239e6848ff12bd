"""Finished features, kept so that an interrupted export can go on.

There is one file per medium in the hidden work folder, on a disk or in a
bucket. Its name is the hash of
everything that its content depends on: the settings, the versions of the
decoders, the medium's path, size and time of change, and the interval. So
features of other settings, or of a file that has changed, are never taken.
"""

import hashlib
import importlib.metadata
import io
import json
import zipfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from feature_export.corpora.utterance import Media
from feature_export.features.extracted import Features
from feature_export.features.findings import Finding
from feature_export.features.settings import ExtractionSettings
from feature_export.files import write_whole
from unimse_cli import storage

# Raise it when a change of this package changes the features.
_EXTRACTION_VERSION = 8
_DEPENDENCIES = (
  *("av", "librosa", "numpy", "opencv-python-headless", "pillow"),
  *("onnxruntime", "soundfile", "timm", "torch"),
)


@cache
def package_versions() -> dict[str, str]:
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
    stamp = storage.identify(media.path)
  except FileNotFoundError:
    stamp = []
  path = str(storage.absolute(media.path))
  place = [path, media.start, media.end, media.region]
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
    """Features made before; None where there are none, or damaged ones.

    Raises:
      OSError: the store cannot be read.
    """
    path = self._path(modality, media)
    try:
      content = _read(path)
      # An npz is a zip archive, which checks a CRC of every member.
      with np.load(io.BytesIO(content), allow_pickle=False) as file:
        findings = json.loads(str(file["findings"]))
        return Features(
          file["values"], tuple(Finding(**each) for each in findings)
        )
    except FileNotFoundError:
      return None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
      return None  # damaged: made again

  def save(self, modality: str, media: Media, features: Features) -> None:
    """Keeps features; a file appears only when it is complete.

    Raises:
      OSError: they cannot be written.
    """
    path = self._path(modality, media)
    storage.make_directory(path.parent)
    findings = json.dumps([asdict(each) for each in features.findings])
    content = io.BytesIO()
    np.savez(content, values=features.values, findings=np.array(findings))
    write_whole(path, content.getvalue())


def _read(path: Path) -> bytes:
  if storage.is_remote(path):
    return storage.read_object(path)
  return path.read_bytes()


def open_store(root: Path, settings: ExtractionSettings) -> FeatureStore:
  """Opens a store; its folder is made if it does not exist."""
  storage.make_directory(root)
  hashes = {}
  for modality, described in settings.describe().items():
    content = [_EXTRACTION_VERSION, package_versions(), described]
    text = json.dumps(content, sort_keys=True)
    hashes[modality] = hashlib.sha256(text.encode()).hexdigest()
  return FeatureStore(root, hashes)
