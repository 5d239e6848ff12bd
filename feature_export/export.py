"""Exports a raw corpus as TFRecords with audio and video features.

python -m feature_export.export --corpus ravdess --raw RAW --out DATA_DIR
"""

import sys
from collections.abc import Sequence

from feature_export import command_line
from feature_export.corpora.importers import ImportOptions
from feature_export.extraction.flags import FeatureOptions, RunOptions


def export(
  importing: ImportOptions, features: FeatureOptions, running: RunOptions
) -> int:
  """Exports and prints the report.

  Raises:
    InputError: a user's mistake; nothing has been written.
  """
  from feature_export.records.tensorflow_start import prepare

  prepare()
  from feature_export.extraction import exporter
  from feature_export.extraction.export_report import format_reports

  print(format_reports(exporter.export(importing, features, running)))
  return 0


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  return command_line.run(
    [ImportOptions, FeatureOptions, RunOptions],
    export,
    arguments,
    interrupted="Interrupted. Run the same command again to go on; finished "
    "clips are kept.",
  )


if __name__ == "__main__":
  sys.exit(main())
