"""How often a run's test split was looked at.

Whoever scores the test split again and again, and keeps the best, selects on
it. So every opening is written down before a score is seen.
"""

import datetime
import json
import os
import pathlib
from typing import Any

from absl import logging

FILE_NAME = "test_openings.jsonl"


def record(workdir: pathlib.Path, step: int, provenance: dict[str, Any]) -> int:
  """Adds an opening to results/test_openings.jsonl; warns from the second on.

  Args:
    workdir: of the run.
    step: of the checkpoint that is scored.
    provenance: of the scores; its commit is kept.

  Returns:
    The number of openings, this one included.
  """
  path = workdir / "results" / FILE_NAME
  path.parent.mkdir(parents=True, exist_ok=True)
  now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
  line = {"time": now, "commit": provenance["commit"], "step": step}
  with path.open("a", encoding="utf-8") as file:
    file.write(json.dumps(line) + "\n")
    file.flush()
    os.fsync(file.fileno())
  count = len(path.read_text(encoding="utf-8").splitlines())
  if count > 1:
    logging.warning(
      "The test split of %s is opened for the %d. time: choose nothing by its "
      "scores (%s tells when it was).",
      workdir,
      count,
      path,
    )
  return count
