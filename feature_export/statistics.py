"""Counts what exported datasets hold, beside the paper's Tables 1, 4, 5 and 6.

    python -m feature_export.statistics --data DATA_DIR [--json FILE]

The file's content is described at `tables.statistics_json`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_export import command_line
from feature_export.errors import InputError
from feature_export.files import write_whole
from feature_export.options import option
from feature_export.records.reader import dataset_dirs
from feature_export.tables import published
from feature_export.tables.paper_comparison import compare, format_tables
from feature_export.tables.statistics import (
  compute_statistics,
  format_statistics,
)
from feature_export.tables.statistics_json import to_json


@dataclass(frozen=True)
class StatisticsOptions:
  """What is counted."""

  data: Path = option("DATA_DIR of all datasets.")
  json: Path | None = option("Also write this file.", None)


def count(data: Path, file: Path | None) -> int:
  """Counts all datasets below a folder, prints the tables, writes the file.

  Raises:
    InputError: no dataset, a damaged one, or a file that cannot be written.
  """
  statistics = {
    name: compute_statistics(path) for name, path in dataset_dirs(data).items()
  }
  print(format_statistics(statistics))
  if set(statistics) & set(published.CLIPS):
    print("\n" + format_tables(compare(statistics)))
  if file is not None:
    try:
      write_whole(file, json.dumps(to_json(statistics), indent=2) + "\n")
    except OSError as error:
      raise InputError(f"Cannot write {file}: {error}") from error
  return 0


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  return command_line.run(
    [StatisticsOptions],
    lambda options: count(options.data, options.json),
    arguments,
  )


if __name__ == "__main__":
  sys.exit(main())
