"""Clips with raw media: the exporter extracts them in a process of its own."""

import contextlib
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from unimse_jax.errors import InputError
from unimse_jax.prediction.clips import Clip

_EXPORTER = "feature_export"
_ROWS = "rows.jsonl"
_TEXTS = ("text", "speaker", "corpus")
_TURNS = ("before", "after", "before_speakers", "after_speakers")


@contextlib.contextmanager
def extracted(
  manifest: pathlib.Path,
  root: pathlib.Path,
  extraction: Mapping[str, Any],
  weights: str | None = None,
  jobs: int = 1,
) -> Iterator[tuple[pathlib.Path, list[dict]]]:
  """Runs the exporter; its files are there until the block ends.

  Args:
    manifest: JSON lines, see docs/prediction.md.
    root: what its paths are relative to.
    extraction: settings of the run's features.
    weights: of the exporter's backbone, where they are a user's file.
    jobs: processes that extract.

  Yields:
    The folder and its rows, in order.

  Raises:
    InputError: no exporter here, or it refuses; its message is on stderr.
  """
  _check_possible(extraction)
  with tempfile.TemporaryDirectory(prefix="unimse_clips_") as name:
    folder = pathlib.Path(name)
    settings = folder / "settings.json"
    settings.write_text(json.dumps(dict(extraction)))
    command = [sys.executable, "-m", f"{_EXPORTER}.clips"]
    command += ["--manifest", str(manifest), "--root", str(root)]
    command += ["--settings", str(settings), "--out", str(folder)]
    command += ["--jobs", str(jobs)]
    command += ["--backbone_weights", weights] if weights else []
    status = subprocess.run(command, check=False).returncode
    if status:
      raise InputError(
        f"The exporter ended with status {status}; its message is above."
      )
    first, *rows = map(json.loads, (folder / _ROWS).read_text().splitlines())
    if first["settings_sha256"] != extraction["settings_sha256"]:
      raise InputError(
        "Features: expected the extraction settings "
        f"{extraction['settings_sha256']} of the run, found "
        f"{first['settings_sha256']}: this exporter makes other features."
      )
    yield folder, rows


def _check_possible(extraction: Mapping[str, Any]) -> None:
  if not extraction:
    raise InputError(
      "The run does not say how its features were made: it is older than "
      "prediction on raw media. Predict from --features, or train again."
    )
  if importlib.util.find_spec(_EXPORTER) is None:
    raise InputError(
      f"Raw media need the package {_EXPORTER}, which is not installed. "
      'Install it with pip install ".[export]", or predict from --features.'
    )


def read_clip(row: dict, folder: pathlib.Path) -> Clip:
  """The clip of a row without an error."""
  with np.load(folder / row["features"], allow_pickle=False) as arrays:
    frames = {name: arrays[name] for name in ("audio", "video")}
  texts = {name: row[name] for name in _TEXTS}
  turns = {name: tuple(row[name]) for name in _TURNS}
  return Clip(**texts, **turns, **frames)
