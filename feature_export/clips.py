"""Extracts clips for prediction, with the settings of a training run.

python -m feature_export.clips --manifest clips.jsonl --settings settings.json
    --out DIR

A row has the keys of a corpus manifest, of which only `text` is needed. It may
also have the turns around it (`before`, `after`, nearest first, and their
`before_speakers`, `after_speakers`) and the `corpus` that it is like. Every row
is answered: DIR/rows.jsonl has one line for each, in order, and
DIR/<number>.npz its features; a row that cannot be read has an error instead.
"""

import argparse
import sys
from collections.abc import Sequence

from feature_export import command_line
from feature_export.extraction.prediction_clips import extract_clips
from feature_export.files import local_path


def build_parser() -> argparse.ArgumentParser:
  """The command's flags."""
  parser = argparse.ArgumentParser(
    prog="python -m feature_export.clips",
    description="Clips in, features for unimse_jax.predict out.",
    allow_abbrev=False,
  )
  add = parser.add_argument
  add(
    "--manifest", required=True, type=local_path, help="JSON lines, a clip each"
  )
  add(
    "--root",
    type=local_path,
    help="folder that its paths are relative to (default: its own folder)",
  )
  add(
    "--settings",
    required=True,
    type=local_path,
    help="JSON file with the audio and video settings of a dataset's metadata",
  )
  add(
    "--out",
    required=True,
    type=local_path,
    help="empty folder for the features",
  )
  add("--jobs", type=int, default=1, help="number of processes")
  add(
    "--backbone_weights",
    type=local_path,
    help="weights file of the face network, if not the default",
  )
  add(
    "--face_model",
    type=local_path,
    help="file of the face detector, if the run used one (yunet)",
  )
  return parser


def extract(options: argparse.Namespace) -> int:
  """Extracts everything that the manifest names.

  Raises:
    InputError: a user's mistake that concerns all rows.
  """
  extract_clips(options)
  return 0


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  options = build_parser().parse_args(arguments)
  return command_line.run(lambda: extract(options))


if __name__ == "__main__":
  sys.exit(main())
