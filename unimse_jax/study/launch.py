"""One process a run, one after the other."""

import functools
import importlib.util
import pathlib
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from absl import logging

from unimse_cli.storage import user_path
from unimse_jax import processes
from unimse_jax.errors import InputError
from unimse_jax.rundir import json_file
from unimse_jax.study.plan import PlannedRun

STOPPED = (143, -signal.SIGTERM, 130, -signal.SIGINT)
_META = ".meta.json"
# Flags of feature_export.universal_labels that change what is completed, beside
# those that a config names, and where its meta file says what they were.
_CARRIED = {
  "encoder": ("encoder", "name"),
  "ties": ("ties", "rule"),
  "k": ("ties", "k"),
  "neutral": ("neutral",),
}


def run(arguments: Sequence[str]) -> int:
  """Runs python with these arguments and waits; its exit status.

  A signal goes to the child, which saves and leaves; then so do we.
  """
  logging.info("%s", written(arguments))
  child = subprocess.Popen(
    [sys.executable, *arguments],
    env=processes.child_environment(),
  )
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


def labels_command(run_: PlannedRun) -> list[str] | None:
  """What completes the labels of a run without them; None where they exist.

  A corpus that is left out is no donor either, so they are made anew, by the
  rules of the labels that lie beside them.
  """
  data = run_.config.data
  path = user_path(data.labels)
  if path.is_file():
    return None
  command = ["-m", "feature_export.universal_labels", "--data", data.dir]
  command += ["--corpora", ",".join(data.corpora), "--donors", data.donors]
  command += ["--donor_classes", data.donor_classes]
  for flag, value in _rules(_meta_beside(path)).items():
    command += [] if value is None else [f"--{flag}", str(value)]
  return [*command, "--out", str(path)]


def check_rules(run_: PlannedRun) -> None:
  """Labels of some of the corpora must follow the rules of those of all.

  Raises:
    InputError: they were made by others.
  """
  labels = user_path(run_.config.data.labels)
  own_file = labels.with_name(labels.stem + _META)
  if not own_file.is_file():
    return  # still to be made
  own, whole = _read_meta(own_file), _meta_beside(labels)
  if not own.get("datasets", {}).keys() < whole.get("datasets", {}).keys():
    return
  before, now = _rules(own), _rules(whole)
  faults = [
    f"--{flag} {before[flag]}, not {now[flag]}"
    for flag in _CARRIED
    if before[flag] != now[flag]
  ]
  if not faults and not _same_encoder(own, whole):
    faults = [f"--encoder {now['encoder']} of other weights or settings"]
  if faults:
    raise InputError(
      f"Universal labels: expected {labels} by the rules of the labels that it "
      f"is named after, found {', '.join(faults)}; delete it, and it is made "
      "again"
    )


def _same_encoder(own: dict[str, Any], whole: dict[str, Any]) -> bool:
  """Whether the meta files of two labels record the same sentence encoder."""
  encoders = [meta.get("encoder") or {} for meta in (own, whole)]
  if not all("weights_sha256" in each for each in encoders):
    # Labels that were made before have the weights' hash as their sha256.
    encoders = [
      {"sha256": each.get("weights_sha256", each.get("sha256"))}
      for each in encoders
    ]
  return encoders[0].get("sha256") == encoders[1].get("sha256")


def _rules(meta: dict[str, Any]) -> dict[str, Any]:
  """Flag -> what the labels were made with; None where nothing is said."""
  return {
    flag: functools.reduce(lambda part, key: (part or {}).get(key), place, meta)
    for flag, place in _CARRIED.items()
  }


def _meta_beside(labels: pathlib.Path) -> dict[str, Any]:
  """The meta of the labels that this file is named after; {} if none is."""
  metas = {
    path.name.removesuffix(_META): path
    for path in labels.parent.glob(f"*{_META}")
  }
  metas.pop(labels.stem, None)
  # The longest: labels_all_splits_x goes on from labels_all_splits, not labels.
  name = max(filter(labels.stem.startswith, metas), key=len, default=None)
  return {} if name is None else _read_meta(metas[name])


def _read_meta(file: pathlib.Path) -> dict[str, Any]:
  return json_file.read(file, "complete the labels again")


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
