"""Clips with raw media: the exporter extracts them in a process of its own."""

import contextlib
import dataclasses
import functools
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.errors import InputError
from unimse_jax.prediction import clips as clips_lib
from unimse_jax.prediction.clips import Clip
from unimse_jax.prediction.exporter_process import ExporterProcess

_EXPORTER = "feature_export"
_ROWS = "rows.jsonl"
_TEXTS = ("text", "speaker", "corpus")
_TURNS = ("before", "after", "before_speakers", "after_speakers")


@dataclasses.dataclass(frozen=True)
class Extraction:
  """The clips of one call of the exporter, while its files are there.

  Attributes:
    folder: where it wrote.
    rows: answers to the rows of its manifest, in order.
  """

  folder: pathlib.Path
  rows: list[dict[str, Any]]

  def clips(self) -> Iterator[Clip | InputError]:
    """Yields the clip of each row, or why there is none."""
    for row in self.rows:
      if row["error"] is not None:
        yield InputError(row["error"])
        continue
      try:
        yield self._read(row)
      except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        yield InputError(f"its features cannot be read: {error}")

  def _read(self, row: Mapping[str, Any]) -> Clip:
    path = self.folder / row["features"]
    with np.load(path, allow_pickle=False) as arrays:
      frames = {name: arrays[name] for name in clips_lib.MODALITIES}
    texts = {name: row[name] for name in _TEXTS}
    turns = {name: tuple(row[name]) for name in _TURNS}
    return Clip(**texts, **turns, **frames, notes=tuple(row["notes"]))


@dataclasses.dataclass(frozen=True)
class Exporter:
  """How raw media become frames like those of a run.

  Attributes:
    settings: settings of the run's features.
    weights: weights file of the face network, if not the default.
    jobs: number of processes that extract.
    audio_model: folder or hub name of the speech model, if the run read one.
  """

  settings: Mapping[str, Any]
  weights: str | None = None
  jobs: int = 1
  audio_model: str | None = None

  @functools.cached_property
  def process(self) -> ExporterProcess:
    """The process that extracts; it stays for the time of a block of its own.

    Without such a block each call of `extract` has a new one.
    """
    return ExporterProcess(self._command)

  def _command(self, folder: pathlib.Path) -> list[str]:
    settings = folder / "settings.json"
    settings.write_text(json.dumps(dict(self.settings)))
    arguments = {"settings": str(settings), "jobs": str(self.jobs)}
    if self.weights:
      arguments["backbone_weights"] = self.weights
    if self.audio_model:
      arguments["audio_model"] = self.audio_model
    return [*_command_line("clips", arguments), "--serve"]

  @contextlib.contextmanager
  def extract(
    self, manifest: pathlib.Path, root: pathlib.Path
  ) -> Iterator[Extraction]:
    """Asks the exporter; its files are there until the block ends.

    Args:
      manifest: file of JSON lines, see docs/prediction.md.
      root: folder that the paths in it are relative to.

    Raises:
      InputError: no exporter here, or it refuses; its message is on stderr.
    """
    self._check_possible()
    with tempfile.TemporaryDirectory(prefix="unimse_clips_") as name:
      folder = pathlib.Path(name)
      request = {"manifest": manifest, "root": root, "out": folder}
      with self.process as process:
        process.ask(
          {key: str(path.absolute()) for key, path in request.items()}
        )
      lines = (folder / _ROWS).read_text(encoding="utf-8").splitlines()
      first, *rows = map(json.loads, lines)
      self._check_settings(first["settings_sha256"])
      yield Extraction(folder, rows)

  def run(self, command: str, arguments: Mapping[str, str]) -> None:
    """Runs a command of the exporter in a process of its own.

    Args:
      command: its module within the exporter's package.
      arguments: flag -> value.

    Raises:
      InputError: no exporter here, or it refuses; its message is on stderr.
    """
    self._check_possible()
    line = _command_line(command, arguments)
    status = subprocess.run(line, check=False).returncode
    if status:
      raise InputError(
        f"The exporter ended with status {status}; its message is above."
      )

  def extract_files(self, clips: Sequence[Clip]) -> list[Clip | InputError]:
    """The clips with the frames of the files that they name, or why not.

    One request to the exporter is for all of them.

    Raises:
      InputError: as for `extract`.
    """
    answers: dict[int, Clip | InputError] = {}
    rows: dict[int, dict[str, Any]] = {}
    for place, clip in enumerate(clips):
      try:
        rows[place] = clips_lib.manifest_row(clip)
      except InputError as error:
        answers[place] = error
    if rows:
      chosen = [clips[place] for place in rows]
      extracted = self._extract_rows([*rows.values()], chosen)
      answers |= dict(zip(rows, extracted, strict=True))
    return [answers[place] for place in range(len(clips))]

  def _extract_rows(
    self, rows: Sequence[Mapping[str, Any]], clips: Sequence[Clip]
  ) -> list[Clip | InputError]:
    """The clips with the frames of their rows of a manifest."""
    with tempfile.TemporaryDirectory(prefix="unimse_input_") as name:
      manifest = pathlib.Path(name) / "clips.jsonl"
      manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
      with self.extract(manifest, pathlib.Path.cwd()) as extraction:
        return [
          _with_frames(clip, answer, line)
          for line, (clip, answer) in enumerate(
            zip(clips, extraction.clips(), strict=True), 1
          )
        ]

  def _check_possible(self) -> None:
    if not self.settings:
      raise InputError(
        "The run does not say how its features were made: it is older than "
        "prediction on raw media. Predict from --features, or train again."
      )
    if importlib.util.find_spec(_EXPORTER) is None:
      raise InputError(
        f"Raw media need the package {_EXPORTER}, which is not installed. "
        'Install it with pip install ".[export]", or predict from features: '
        "--features on the command line, arrays in Python."
      )

  def _check_settings(self, actual: str) -> None:
    expected = self.settings["settings_sha256"]
    if actual != expected:
      raise InputError(
        f"Features: expected the extraction settings {expected} of the run, "
        f"found {actual}: this exporter makes other features."
      )


def _command_line(command: str, arguments: Mapping[str, str]) -> list[str]:
  flags = [f"--{name}={value}" for name, value in arguments.items()]
  return [sys.executable, "-m", f"{_EXPORTER}.{command}", *flags]


def _with_frames(
  clip: Clip, extracted: Clip | InputError, line: int
) -> Clip | InputError:
  """A clip with the frames of its files.

  Args:
    clip: clip that names the files.
    extracted: clip that the exporter made of them, or why there is none.
    line: line of the exporter's manifest, which says nothing to the caller.
  """
  if isinstance(extracted, InputError):
    return InputError(str(extracted).removeprefix(f"line {line}: "))
  frames = {name: getattr(extracted, name) for name in clip.files}
  notes = (*clip.notes, *extracted.notes)
  return dataclasses.replace(clip, media=None, notes=notes, **frames)
