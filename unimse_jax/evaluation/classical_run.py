"""A classical baseline in a run's directory, scored as a run is."""

import dataclasses
import pathlib

from unimse_cli import storage
from unimse_jax.config import Config
from unimse_jax.data import mixture as mixture_lib
from unimse_jax.errors import InputError
from unimse_jax.evaluation import classical, external, results
from unimse_jax.rivals import CLASSICAL
from unimse_jax.rundir import RunDir


def run(config: Config, workdir: pathlib.Path, split: str) -> None:
  """Fits, answers the split, and writes results and predictions.

  Args:
    config: its rival.system names the baseline; its data section is read.
    workdir: directory of the run.
    split: validation or test; opening test is written down.

  Raises:
    InputError: no such baseline, its data or scikit-learn are missing, or the
      split is the one that it is calibrated by.
  """
  system = config.rival.system
  if system not in CLASSICAL:
    raise InputError(
      f"config.rival.system: expected one of {', '.join(CLASSICAL)}, found "
      f"{system!r}; python -m unimse_jax.train trains the others"
    )
  if system == classical.FUSION and split == "validation":
    raise InputError(
      "--split: expected test, found validation, by which late_fusion is "
      "calibrated: its scores there would be too good"
    )
  data = config.data
  mixture = mixture_lib.load(
    *(data.dir, data.corpora, data.labels, data.donors, data.donor_classes)
  )
  run_dir = RunDir(storage.absolute(workdir))
  with run_dir.hold(config):
    source = results.source_of(config, mixture)
    opened = None
    if split == "test":
      opened = results.record_opening(run_dir, 0, source)
    rows = classical.predict(system, mixture, split)
    evaluation = external.evaluate(rows, mixture, split)
    evaluation = dataclasses.replace(evaluation, test_openings=opened)
    selection = {"checkpoint": results.EXTERNAL}
    results.write(run_dir, split, evaluation, selection, source)
