"""Extracts clips for prediction, with the settings of a training run.

python -m feature_export.clips --manifest clips.jsonl --settings settings.json
    --out DIR

A row is one of a corpus manifest, of which `text` alone is needed; it may also
have the turns around it (`before`, `after`, nearest first, and their
`before_speakers`, `after_speakers`) and the `corpus` that it is like. Every row
is answered: DIR/rows.jsonl has one line for each, in order, and
DIR/<number>.npz its features; a row that cannot be read has an error instead.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from feature_export import command_line
from feature_export.extraction.prediction_clips import extract_clips


def build_parser() -> argparse.ArgumentParser:
  """The command's flags."""
  parser = argparse.ArgumentParser(
    prog="python -m feature_export.clips",
    description="Clips in, features for unimse_jax.predict out.",
    allow_abbrev=False,
  )
  add = parser.add_argument
  add("--manifest", required=True, type=Path, help="JSON lines")
  add("--root", type=Path, help="of its paths (default: its folder)")
  add("--settings", required=True, type=Path, help="JSON: audio, video")
  add("--out", required=True, type=Path, help="an empty folder")
  add("--jobs", type=int, default=1, help="processes")
  add("--backbone_weights", type=Path, help="a state dict file")
  add("--face_model", type=Path, help="of the run's detector, if it is a file")
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
