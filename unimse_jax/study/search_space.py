"""What a search over config fields may choose: a JSON file of ranges.

{"optimizer.lr_t5": {"low": 1e-5, "high": 1e-3, "log": true},
 "model.pmf_layers": {"low": 1, "high": 6},
 "loss.alpha": {"choices": [0.0, 0.1, 0.5]}}
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unimse_jax.config import FIELDS
from unimse_jax.errors import InputError
from unimse_jax.files import read_json

if TYPE_CHECKING:
  import optuna

_RANGE = {"low", "high", "log", "step"}
_EXPECTED = '{"low", "high"} with "log" or "step", or {"choices": [...]}'


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
    """The trial's value; whole numbers where both ends are."""
    if self.choices:
      return trial.suggest_categorical(self.path, self.choices)
    if isinstance(self.low, int) and isinstance(self.high, int):
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
    if (fault := _fault(field, values))
  ]
  if not content:
    faults = ["no field"]
  if faults:
    raise InputError(
      f"--space: expected fields of the config with {_EXPECTED} in {path}, "
      "found\n  " + "\n  ".join(faults)
    )
  return tuple(
    Dimension(
      field, **{k: tuple(v) if k == "choices" else v for k, v in each.items()}
    )
    for field, each in content.items()
  )


def _fault(field: str, values: Mapping[str, Any]) -> str:
  """What is wrong with one entry; "" if nothing is."""
  if field not in FIELDS:
    return "no field of the config"
  if field in ("seed", "name"):
    return "not to be chosen: seeds are run with --seeds, names say nothing"
  if values.keys() == {"choices"}:
    return _choice_fault(field, values["choices"])
  if not {"low", "high"} <= values.keys() <= _RANGE:
    return f"the keys {', '.join(values) or 'none'}"
  ends = values["low"], values["high"]
  numbers = [
    isinstance(each, int | float) and not isinstance(each, bool)
    for each in ends
  ]
  if not all(numbers) or not ends[0] < ends[1]:
    return f"low {ends[0]!r} and high {ends[1]!r}"
  if values.get("log") and (ends[0] <= 0 or values.get("step")):
    return "log with low <= 0, or with a step"
  faults = [fault for end in ends for fault in FIELDS[field].faults(end)]
  return "; ".join(faults)


def _choice_fault(field: str, choices: Any) -> str:
  if not isinstance(choices, list) or not choices:
    return f"the choices {choices!r}"
  scalars = (str, int, float, bool)
  if not all(isinstance(each, scalars) for each in choices):
    return f"choices that are no texts, numbers or booleans: {choices!r}"
  faults = [fault for each in choices for fault in FIELDS[field].faults(each)]
  return "; ".join(faults)


def flags(values: Mapping[str, Any]) -> Sequence[str]:
  """The values as overrides: ["--config.loss.alpha=0.1"]."""
  return [f"--config.{path}={value}" for path, value in values.items()]
