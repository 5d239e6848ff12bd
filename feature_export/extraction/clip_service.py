"""Answers requests for clips' features, one a line, until they end.

A request is a JSON object with the paths `manifest`, `root` and `out`, as
`prediction_clips.extract_clips` takes them; its answer is `{"error": null}`, or
has the message for the user. The processes that extract stay, so that only the
first request waits for PyTorch.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from feature_export.errors import InputError
from feature_export.extraction import prediction_clips
from feature_export.extraction.workers import Workers
from feature_export.features.settings import ExtractionSettings


def _answer(
  line: str, settings: ExtractionSettings, workers: Workers
) -> dict[str, str | None]:
  request = json.loads(line)
  manifest, root, out = (Path(request[k]) for k in ("manifest", "root", "out"))
  try:
    prediction_clips.extract_clips(manifest, root, settings, out, workers)
  except (InputError, OSError) as error:
    return {"error": str(error)}
  return {"error": None}


def serve(
  settings: ExtractionSettings,
  jobs: int,
  requests: Iterable[str],
  answers: TextIO,
) -> None:
  """Answers requests, one after the other.

  Args:
    settings: how features are made.
    jobs: number of processes.
    requests: lines.
    answers: takes a line for each.
  """
  with prediction_clips.open_workers(settings, jobs) as workers:
    for line in requests:
      print(json.dumps(_answer(line, settings, workers)), file=answers)
      answers.flush()
