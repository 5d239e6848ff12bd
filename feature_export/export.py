"""Exports a raw corpus as TFRecords.

python -m feature_export.export --corpus ravdess --raw RAW --out DATA_DIR
"""

import argparse
import sys
from collections.abc import Sequence

from feature_export import command_line
from feature_export.corpora.importers import IMPORTERS, add_importer_flags
from feature_export.extraction import exporter, flags
from feature_export.extraction.export_report import format_reports
from feature_export.files import local_path
from feature_export.records.tensorflow_start import prepare


def build_parser() -> argparse.ArgumentParser:
  """The command's flags."""
  parser = argparse.ArgumentParser(
    prog="python -m feature_export.export",
    description="Raw clips in, TFRecords with audio and video features out.",
    allow_abbrev=False,
  )
  add = parser.add_argument
  add("--corpus", required=True, choices=sorted(IMPORTERS), help="its importer")
  add(
    "--raw",
    required=True,
    type=local_path,
    help="folder or file of the raw corpus",
  )
  add("--out", required=True, type=local_path, help="DATA_DIR of all datasets")
  add("--name", help="dataset name (default: the corpus's or folder's name)")
  add("--overwrite", action="store_true", help="replace an existing dataset")
  add("--noaudio", action="store_true", help="leave the audio out")
  add("--novideo", action="store_true", help="leave the video out")
  flags.add_extraction_flags(parser)
  flags.add_run_flags(parser)
  add_importer_flags(parser)
  return parser


def export(options: argparse.Namespace) -> int:
  """Exports and prints the report.

  Raises:
    InputError: a user's mistake; nothing has been written.
  """
  print(format_reports(exporter.export(options)))
  return 0


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  prepare()
  options = build_parser().parse_args(arguments)
  return command_line.run(
    lambda: export(options),
    interrupted="Interrupted. Run the same command again to go on; finished "
    "clips are kept.",
  )


if __name__ == "__main__":
  sys.exit(main())
