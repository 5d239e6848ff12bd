"""What of a run's model is not in its config: model.json."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

from unimse_jax.errors import InputError
from unimse_jax.rundir import json_file

_ADVICE = "put the file back, or train again in a new --workdir"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFile:
  """The content of model.json.

  Attributes:
    data_sha256: hash of the corpora and labels that the run was made from.
    extraction: settings of the features that it was trained on ("audio",
      "video", "settings_sha256"); empty in runs that are older than the field.
    t5: fields of T5Config.
    slots: fields of a label, from the universal labels' .meta.json.
    grid: the intensities of the training labels, rising.
    contradictions: (polarity, slot, word) of training labels in which the
      polarity and another field contradict each other.
    target_length: tokens of the longest label, </s> included.
  """

  data_sha256: str
  extraction: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  t5: Mapping[str, Any]
  slots: Mapping[str, Any]
  grid: Sequence[float]
  contradictions: Sequence[Sequence[str]]
  target_length: int

  def write(self, path: pathlib.Path) -> None:
    """Writes the file; it appears whole or not at all."""
    json_file.write(path, dataclasses.asdict(self))

  @classmethod
  def read(cls, path: pathlib.Path) -> Self:
    """Reads an existing file.

    Raises:
      InputError: it is damaged, or a field is missing or unknown.
    """
    values = json_file.read(path, _ADVICE)
    fields = {each.name for each in dataclasses.fields(cls)}
    missing = fields - values.keys() - {"extraction"}
    if missing or values.keys() - fields:
      raise InputError(
        f"expected the fields {', '.join(sorted(fields))} in {path}, found "
        f"{', '.join(sorted(values))}: {_ADVICE}"
      )
    return cls(**values)
