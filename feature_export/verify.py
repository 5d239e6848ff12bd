"""Checks exported datasets.

    python -m feature_export.verify --data DATA_DIR

Exit status 0: sound; 1: faults, listed; 2: nothing to check.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feature_export import command_line
from feature_export.errors import list_faults
from feature_export.options import option
from feature_export.records.reader import dataset_dirs
from feature_export.records.verification import (
  describe_dataset,
  settings_faults,
  verify_dataset,
)

FAULTY = 1  # exit status
# Of all kinds together: ten of the first kind would hide the others.
_SHOWN = 1000


@dataclass(frozen=True)
class VerifyOptions:
  """What is checked."""

  data: Path = option("DATA_DIR of all datasets.")


def verify(data: Path) -> int:
  """Checks every dataset below a folder and prints what it finds.

  Returns:
    The exit status: 0 or `FAULTY`.

  Raises:
    InputError: the folder is missing or holds no dataset.
  """
  datasets, status = dataset_dirs(data), 0
  for name, path in datasets.items():
    started = time.perf_counter()
    faults = verify_dataset(path)
    seconds = time.perf_counter() - started
    if faults:
      status = FAULTY
      print(list_faults(f"{name} has faults", faults, _SHOWN), file=sys.stderr)
    else:
      print(f"{name}: sound, {describe_dataset(path)} in {seconds:.1f} s")
  # A mixture needs one meaning of "audio" and "video".
  if differing := settings_faults(datasets):
    status = FAULTY
    print(list_faults("extraction settings differ", differing), file=sys.stderr)
  return status


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  return command_line.run(
    [VerifyOptions], lambda options: verify(options.data), arguments
  )


if __name__ == "__main__":
  sys.exit(main())
