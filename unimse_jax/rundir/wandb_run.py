"""Weights & Biases as a second place for the scalars of a training."""

import hashlib
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from unimse_cli.storage import is_remote
from unimse_jax.errors import InputError

_SCRATCH = "wandb"  # folder of its own files, in the run's directory


class WandbRun:
  """Logs the scalars of each step, under their names in TensorBoard.

  Where they go, and as whom, say W&B's own variables: WANDB_MODE=offline keeps
  all on the disk, WANDB_ENTITY names the owner, WANDB_API_KEY logs in.
  """

  def __init__(
    self, project: str, directory: pathlib.Path, config: Mapping[str, Any]
  ):
    """Starts the run, or goes on with that of the same directory.

    Args:
      project: name of the project.
      directory: the run's; W&B's files go to its folder `wandb`, to the
        machine's temporary folder where it is in a bucket.
      config: the run's config.

    Raises:
      InputError: wandb is not installed, or does not let us in.
    """
    try:
      import wandb
    except ImportError as error:
      raise InputError(
        "config.train.wandb_project: expected wandb, found none: pip install "
        '"unimse_jax[wandb]", or leave the field empty'
      ) from error
    place = None if is_remote(directory) else str(directory)
    if place:
      os.makedirs(directory / _SCRATCH, exist_ok=True)
    try:
      self._run = wandb.init(
        project=project,
        id=hashlib.sha256(str(directory).encode()).hexdigest()[:16],
        resume="allow",
        name=directory.name,
        dir=place,
        config=dict(config),
        reinit="create_new",
        settings=wandb.Settings(console="off", disable_git=True),
      )
    except wandb.errors.Error as error:
      raise InputError(
        f"config.train.wandb_project: expected W&B to open {project}, found: "
        f"{error}; `wandb login` first, or set WANDB_MODE=offline"
      ) from error
    self._step, self._values = 0, {}

  def write_scalar(self, step: int, tag: str, value: float) -> None:
    """Keeps one number until `flush`."""
    if step != self._step:
      self.flush()
    self._step = step
    self._values[tag] = value

  def flush(self) -> None:
    """Logs what was kept; W&B leaves out steps that it has already."""
    if self._values:
      self._run.log(self._values, step=self._step)
    self._values = {}

  def sync(self) -> None:
    """W&B sends by itself."""

  def close(self) -> None:
    """Ends the run."""
    self.flush()
    self._run.finish()
