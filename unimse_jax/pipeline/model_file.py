"""What of a run's model is not in its config: model.json."""

import pathlib
import typing
from typing import Any, NotRequired

from typing_extensions import TypedDict

from unimse_jax.data.label_file import Slots
from unimse_jax.models import T5Config
from unimse_jax.rundir import json_file

_ADVICE = (
  "put the file back, or train again in a new --workdir; a field that is not "
  "permitted is a newer version's: update unimse_jax"
)
_FORBID = {"extra": "forbid"}  # a field of another version is not let through

# A field that comes later is NotRequired, here as below: T5Config's default of
# it must then be what was done before.
T5Fields = TypedDict("T5Fields", typing.get_type_hints(T5Config))
T5Fields.__pydantic_config__ = _FORBID


class ModelFile(TypedDict):
  """The content of model.json.

  Attributes:
    data_sha256: hash of the corpora and labels that the run was made from.
    extraction: settings of the features that it was trained on ("audio",
      "video", "settings_sha256"); absent in runs that are older than the field.
    t5: fields of T5Config.
    slots: fields of a label, from the universal labels' .meta.json.
    grid: the intensities of the training labels, rising.
    contradictions: (polarity, slot, word) of training labels in which the
      polarity and another field contradict each other.
    target_length: tokens of the longest label, </s> included.
    class_counts: emotion slot -> word -> number of training labels that were
      annotated so; absent in runs that are older than the field.
  """

  __pydantic_config__ = _FORBID

  data_sha256: str
  extraction: NotRequired[dict[str, Any]]
  t5: T5Fields
  slots: Slots
  grid: list[float]
  contradictions: list[list[str]]
  target_length: int
  class_counts: NotRequired[dict[str, dict[str, int]]]


def write(path: pathlib.Path, content: ModelFile) -> None:
  """Writes model.json; it appears whole or not at all."""
  json_file.write(path, content)


def read(path: pathlib.Path) -> ModelFile:
  """Reads an existing model.json.

  Raises:
    InputError: it is damaged, or a field is missing, unknown or of another
      type; every such field is named.
  """
  return json_file.read(path, _ADVICE, ModelFile)
