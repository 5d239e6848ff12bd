"""Extracts clips for prediction, with the settings of a training run.

python -m feature_export.clips --manifest clips.jsonl --settings settings.json
    --out DIR

A row has the keys of a corpus manifest, of which only `text` is needed. It may
also have the turns around it (`before`, `after`, nearest first, and their
`before_speakers`, `after_speakers`) and the `corpus` that it is like. Every row
is answered: DIR/rows.jsonl has one line for each, in order, and
DIR/<number>.npz its features; a row that cannot be read has an error instead.

With --serve, requests take the place of --manifest, --root and --out: a line of
JSON each on standard input, a line for each on standard output, so that many
requests start PyTorch once. It ends when its input does.
"""

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from feature_export import command_line
from feature_export.errors import InputError
from feature_export.options import option, outside_limits


@dataclass(frozen=True)
class ClipOptions:
  """What is extracted, with what, and to where."""

  settings: Path = option(
    "JSON file with the audio and video settings of a dataset's metadata."
  )
  manifest: Path | None = option("JSON lines, a clip each.", None)
  out: Path | None = option("Empty folder for the features.", None, local=True)
  root: Path | None = option(
    "Folder that the manifest's paths are relative to; its own if unset.", None
  )
  jobs: int = option("Number of processes.", 1, limits=(1, 1024))
  backbone_weights: Path | None = option(
    "Weights file of the face network, if not the default.", None
  )
  face_model: Path | None = option(
    "File of the face detector, if the run used one (yunet).", None
  )
  audio_model: str | None = option(
    "Folder or hub name of the speech model, if the run read one.", None
  )
  serve: bool = option("Answer requests instead of one manifest.", False)


def extract(options: ClipOptions) -> int:
  """Extracts everything that the manifest names, or that is asked for.

  Raises:
    InputError: a user's mistake that concerns all rows.
  """
  given = [options.manifest, options.out, options.root]
  if not options.serve and None in given[:2]:
    raise InputError("expected --manifest and --out, or --serve.")
  if options.serve and any(given):
    raise InputError("--manifest, --out, --root do not go with --serve.")
  if faults := outside_limits(options):
    raise InputError("; ".join(faults))
  from feature_export.extraction import clip_service, prediction_clips

  prediction_clips.check_installed()
  settings = prediction_clips.build_settings(
    prediction_clips.read_settings(options.settings),
    options.backbone_weights,
    options.face_model,
    options.audio_model,
  )
  if options.serve:
    with _open_answers() as answers:
      clip_service.serve(settings, options.jobs, sys.stdin, answers)
    return 0
  root = options.root or options.manifest.parent
  with prediction_clips.open_workers(settings, options.jobs) as workers:
    prediction_clips.extract_clips(
      options.manifest, root, settings, options.out, workers
    )
  return 0


def _open_answers() -> TextIO:
  """Standard output for answers alone; what else is printed goes to stderr.

  Ctrl-C goes to whoever asks, too, who then ends this process by SIGTERM.
  """
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  # So that its files are removed.
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
  answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
  os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
  return answers


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  return command_line.run([ClipOptions], extract, arguments)


if __name__ == "__main__":
  sys.exit(main())
