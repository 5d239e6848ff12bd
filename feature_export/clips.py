"""Extracts clips for prediction, with the settings of a training run.

python -m feature_export.clips --manifest clips.jsonl --settings settings.json
    --out DIR

A row has the keys of a corpus manifest, of which only `text` is needed. It may
also have the turns around it (`before`, `after`, nearest first, and their
`before_speakers`, `after_speakers`) and the `corpus` that it is like. Every row
is answered: DIR/rows.jsonl has one line for each, in order, and
DIR/<number>.npz its features; a row that cannot be read has an error instead.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_export import command_line
from feature_export.options import option


@dataclass(frozen=True)
class ClipOptions:
  """What is extracted, with what, and to where."""

  manifest: Path = option("JSON lines, a clip each.")
  settings: Path = option(
    "JSON file with the audio and video settings of a dataset's metadata."
  )
  out: Path = option("Empty folder for the features.", local=True)
  root: Path | None = option(
    "Folder that the manifest's paths are relative to; its own if unset.", None
  )
  jobs: int = option("Number of processes.", 1)
  backbone_weights: Path | None = option(
    "Weights file of the face network, if not the default.", None
  )
  face_model: Path | None = option(
    "File of the face detector, if the run used one (yunet).", None
  )
  audio_model: str | None = option(
    "Folder or hub name of the speech model, if the run read one.", None
  )


def extract(options: ClipOptions) -> int:
  """Extracts everything that the manifest names.

  Raises:
    InputError: a user's mistake that concerns all rows.
  """
  from feature_export.extraction import prediction_clips

  prediction_clips.check_installed()
  settings = prediction_clips.build_settings(
    prediction_clips.read_settings(options.settings),
    options.backbone_weights,
    options.face_model,
    options.audio_model,
  )
  root = options.root or options.manifest.parent
  prediction_clips.extract_clips(
    options.manifest, root, settings, options.out, options.jobs
  )
  return 0


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  return command_line.run([ClipOptions], extract, arguments)


if __name__ == "__main__":
  sys.exit(main())
