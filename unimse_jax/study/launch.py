"""One process a run, one after the other."""

import importlib.util
import json
import pathlib
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence

from absl import logging

from unimse_jax.errors import InputError
from unimse_jax.study.plan import Run

STOPPED = (143, -signal.SIGTERM, 130, -signal.SIGINT)


def run(arguments: Sequence[str]) -> int:
  """Runs python with these arguments and waits; its exit status.

  A signal goes to the child, which saves and leaves; then so do we.
  """
  logging.info("%s", written(arguments))
  child = subprocess.Popen([sys.executable, *arguments])
  previous = {
    # A terminal sends SIGINT to the child too.
    signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
    signal.SIGTERM: signal.signal(
      signal.SIGTERM, lambda number, _: child.send_signal(number)
    ),
  }
  try:
    return child.wait()
  finally:
    for number, handler in previous.items():
      signal.signal(number, handler)


def written(arguments: Sequence[str]) -> str:
  """The command as one types it."""
  return f"python {shlex.join(arguments)}"


def run_all(commands: Sequence[Sequence[str]]) -> int:
  """Runs commands until one fails; the status of the last one run."""
  for arguments in commands:
    status = run(arguments)
    if status:
      return status
  return 0


def labels_command(run_: Run) -> list[str] | None:
  """What completes the labels of a run without them; None where they exist.

  A corpus that is left out is no donor either, so they are made anew, with
  the encoder of the labels that lie beside them.
  """
  data = run_.config.data
  path = pathlib.Path(data.labels)
  if path.is_file():
    return None
  command = ["-m", "feature_export.universal_labels", "--data", data.dir]
  command += ["--corpora", ",".join(data.corpora), "--donors", data.donors]
  command += ["--donor_classes", data.donor_classes]
  encoder = _encoder_beside(path)
  command += ["--encoder", encoder] if encoder else []
  return [*command, "--out", str(path)]


def _encoder_beside(labels: pathlib.Path) -> str | None:
  """The encoder of the labels that this file's name is made from."""
  for meta in sorted(
    labels.parent.glob("*.meta.json"), key=lambda p: len(p.name)
  ):
    if labels.stem.startswith(meta.name.removesuffix(".meta.json")):
      encoder = json.loads(meta.read_text(encoding="utf-8")).get("encoder")
      return (encoder or {}).get("name")
  return None


def make_labels(command: Sequence[str]) -> int:
  """Completes labels in a process of its own.

  Raises:
    InputError: the exporter is not installed here.
  """
  needed = ("feature_export", "sentence_transformers")
  if not all(importlib.util.find_spec(name) for name in needed):
    raise InputError(
      "Universal labels: expected the exporter (unimse_jax[export]) to "
      "complete them without a corpus, found none here. Where it is "
      f"installed, run\n  {written(command)}"
    )
  return run(command)
