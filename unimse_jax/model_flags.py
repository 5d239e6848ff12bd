"""The flags of a command that predicts: which model, and how it is opened."""

import dataclasses
from typing import TYPE_CHECKING

from absl import flags

from unimse_jax.errors import InputError

if TYPE_CHECKING:
  from unimse_jax.prediction import Predictor

# They are the command's own: --help of it shows them.
flags.disclaim_key_flags()


@dataclasses.dataclass(frozen=True)
class ModelFlags:
  """Attributes:
  workdir, model: a run, or instead a package.
  weights, audio_model: what the exporter made the run's features with.
  """

  workdir: flags.FlagHolder
  model: flags.FlagHolder
  weights: flags.FlagHolder
  audio_model: flags.FlagHolder

  def check(self) -> None:
    """Raises InputError where there is not one of --workdir and --model."""
    if (self.workdir.value is None) == (self.model.value is None):
      raise InputError("expected one of --workdir and --model.")

  @property
  def source(self) -> str:
    """What is opened: a directory, or a name of the hub."""
    if self.workdir.value is None:
      return self.model.value
    return self.workdir.value

  def open(
    self, batch_size: int | None, devices: int, jobs: int = 1
  ) -> "Predictor":
    """The predictor; arguments and errors are those of `Predictor`."""
    # Here, as it imports JAX, which --help needs no waiting for.
    from unimse_jax.prediction import Predictor

    packaged = self.workdir.value is None
    opener = Predictor.from_pretrained if packaged else Predictor.from_workdir
    return opener(
      *(self.source, batch_size, devices),
      *(self.weights.value, jobs, self.audio_model.value),
    )


def define() -> ModelFlags:
  """Defines --workdir, --model, --backbone_weights and --audio_model."""
  return ModelFlags(
    flags.DEFINE_string("workdir", None, "The run."),
    flags.DEFINE_string(
      "model",
      None,
      "Instead of a run: a package, or owner/name[@revision] of the hub.",
    ),
    flags.DEFINE_string(
      "backbone_weights",
      None,
      "Weights file of the face network, if not the default.",
    ),
    flags.DEFINE_string(
      "audio_model",
      None,
      "Folder or hub name of the speech model that the run reads, if it does.",
    ),
  )
