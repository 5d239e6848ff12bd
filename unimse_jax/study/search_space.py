"""What a search over config fields may choose: a JSON file of ranges.

{"optimizer.lr_t5": {"low": 1e-5, "high": 1e-3, "log": true},
 "model.pmf_layers": {"low": 1, "high": 6},
 "loss.alpha": {"choices": [0.0, 0.1, 0.5]}}

Values are of the field's type, however JSON writes the ends: from 0 to 1 there
are fractions of loss.alpha.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unimse_jax.config import FIELDS
from unimse_jax.errors import InputError
from unimse_jax.files import read_json

if TYPE_CHECKING:
  import optuna

_RANGE = {"low", "high", "log", "step"}
_EXPECTED = '{"low", "high"} with "log" or "step", or {"choices": [...]}'
# Field that no trial changes -> why.
_KEPT = {
  "name": "names say nothing",
  "seed": "seeds are run with --seeds",
  "train.selection": "a search goes by mean_skill on validation",
}
# Type of a field that may be chosen -> what JSON may give it.
_GIVEN = {int: (int,), float: (int, float), bool: (bool,), str: (str,)}


@dataclasses.dataclass(frozen=True)
class Dimension:
  """One field and what it may be.

  Attributes:
    path: field, as "optimizer.lr_t5".
    choices: values to choose from; empty for a range.
    low, high: ends of the range, both of it.
    log: whether the logarithm is drawn evenly.
    step: distance of the values from `low` on; None for any.
  """

  path: str
  choices: tuple[Any, ...] = ()
  low: float = 0
  high: float = 0
  log: bool = False
  step: float | None = None

  def suggest(self, trial: "optuna.Trial") -> Any:
    """The trial's value, of the field's type."""
    if self.choices:
      return trial.suggest_categorical(self.path, self.choices)
    if FIELDS[self.path].type is int:
      return trial.suggest_int(
        *(self.path, self.low, self.high), log=self.log, step=self.step or 1
      )
    return trial.suggest_float(
      *(self.path, self.low, self.high), log=self.log, step=self.step
    )


def read(path: pathlib.Path) -> tuple[Dimension, ...]:
  """The dimensions of a file, in its order.

  Raises:
    InputError: no such file, no JSON object, or faults: all are named.
  """
  content = read_json(path, "correct --space", dict[str, dict[str, Any]])
  faults = [
    f"{field}: {fault}"
    for field, values in content.items()
    for fault in _faults(field, values)
  ]
  if not content:
    faults = ["no field"]
  if faults:
    raise InputError(
      f"--space: expected fields of the config with {_EXPECTED} in {path}, "
      "found\n  " + "\n  ".join(faults)
    )
  return tuple(_dimension(*each) for each in content.items())


def _dimension(field: str, values: Mapping[str, Any]) -> Dimension:
  if "choices" in values:
    return Dimension(field, choices=tuple(values["choices"]))
  # 0 and 0.0 are one end of a field of fractions.
  kind = FIELDS[field].type
  numbers = {key: kind(values[key]) for key in values.keys() - {"log"}}
  return Dimension(field, **numbers, log=values.get("log", False))


def _faults(field: str, values: Mapping[str, Any]) -> list[str]:
  """What is wrong with one entry."""
  if field not in FIELDS:
    return ["no field of the config"]
  if field in _KEPT:
    return [f"not to be chosen: {_KEPT[field]}"]
  if FIELDS[field].type not in _GIVEN:
    return ["not to be chosen: a list of values"]
  if values.keys() == {"choices"}:
    return _choice_faults(field, values["choices"])
  if not {"low", "high"} <= values.keys() <= _RANGE:
    return [f"the keys {', '.join(values) or 'none'}"]
  return _range_faults(field, values)


def _range_faults(field: str, values: Mapping[str, Any]) -> list[str]:
  kind, faults = FIELDS[field].type, []
  if kind not in (int, float):
    return [f"a range; a field of type {kind.__name__} has choices"]
  low, high = values["low"], values["high"]
  sort = "whole numbers" if kind is int else "numbers"
  ends = _is_given(low, kind) and _is_given(high, kind) and low < high
  if ends:
    faults += [
      fault for end in (low, high) for fault in FIELDS[field].faults(end)
    ]
  else:
    faults.append(f"low {low!r} and high {high!r}, no rising {sort}")
  log, step = values.get("log", False), values.get("step", 1)
  if type(log) is not bool:
    faults.append(f"log {log!r}, neither true nor false")
  elif log and ("step" in values or (ends and low <= 0)):
    faults.append("log with low <= 0, or with a step")
  if not (_is_given(step, kind) and step > 0):
    faults.append(f"step {step!r}, none of the {sort} above 0")
  return faults


def _choice_faults(field: str, choices: Any) -> list[str]:
  kind = FIELDS[field].type
  if not isinstance(choices, list) or not choices:
    return [f"the choices {choices!r}"]
  strange = [each for each in choices if not _is_given(each, kind)]
  if strange:
    found = ", ".join(map(repr, strange))
    return [f"choices that are not of type {kind.__name__}: {found}"]
  return [fault for each in choices for fault in FIELDS[field].faults(each)]


def _is_given(value: Any, kind: type) -> bool:
  """Whether JSON may give a field of this type the value; numbers end."""
  if type(value) not in _GIVEN[kind]:
    return False
  return kind in (bool, str) or abs(value) <= sys.float_info.max


def flags(values: Mapping[str, Any]) -> Sequence[str]:
  """The values as overrides: ["--config.loss.alpha=0.1"]."""
  return [f"--config.{path}={value}" for path, value in values.items()]
