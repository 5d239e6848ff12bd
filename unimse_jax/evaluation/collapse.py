"""Has the model stopped reading its input?

A collapsed model writes the same about every utterance, and its scores are
those of a constant: they look like scores and say nothing.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from unimse_jax.prediction.prediction import Prediction
from unimse_jax.tables.scores import (
  INTENSITY,
  TASKS,
  Task,
  format_score,
  of_task,
)

# Of all predictions of a corpus that must differ from the commonest one, and of
# the targets' deviation that numbers must have.
_LEAST_SHARE = 0.01
_DECIMALS = 2  # numbers that are equal to the hundredth say the same


def entropy(values: Sequence[Hashable]) -> float:
  """Shannon entropy of the values' frequencies, in bits; 0: all the same."""
  counts = np.array([*Counter(values).values()], np.float64)
  share = counts / counts.sum()
  return abs(float((share * np.log2(share)).sum()))


def collapse_report(
  predictions: Sequence[Prediction],
  corpora: Mapping[str, Mapping[str, Any]],
  schemes: Mapping[str, str],
) -> dict[str, Any]:
  """How much the predictions vary, and warnings where they do not.

  Args:
    predictions: predictions of a whole split, at least one.
    corpora: name -> scores of the split, with the constant predictor's.
    schemes: corpus -> slot in which its emotions are written.

  Returns:
    distinct_share: distinct outputs / outputs.
    entropy: slot -> bits of what was predicted in it.
    warnings: one sentence each; empty for a healthy model.
  """
  fields = [each.parsed.fields for each in predictions]
  outputs = {each.output for each in predictions}
  warnings = []
  if len(outputs) == 1 < len(predictions):
    warnings.append(
      f"collapse: all {len(predictions)} outputs are {min(outputs)!r}"
    )
  for name, scores in corpora.items():
    own = [each for each in predictions if each.record.corpus == name]
    for task in TASKS:
      if task.constant in scores:
        rated = [each for each in own if _target(each, task) is not None]
        values = [_predicted(each, task, schemes[name]) for each in rated]
        targets = [_target(each, task) for each in rated]
        warnings += _warn(name, task, values, targets, scores)
  # Predictions of other systems may have the slots of their own corpus alone.
  slots = dict.fromkeys(slot for each in fields for slot in each)
  return {
    "distinct_share": len(outputs) / len(predictions),
    "entropy": {
      slot: entropy([_rounded(each[slot]) for each in fields if slot in each])
      for slot in slots
    },
    "warnings": warnings,
  }


def _target(prediction: Prediction, task: Task) -> Any:
  return prediction.record.targets[task.field]


def _predicted(prediction: Prediction, task: Task, scheme: str) -> Any:
  """What was said, numbers rounded; None where that was malformed."""
  if task != INTENSITY:
    return prediction.parsed.emotion(scheme)
  return _rounded(prediction.parsed.fields.get(task.field))


def _rounded(value: Any) -> Any:
  return round(value, _DECIMALS) if isinstance(value, Real) else value


def _hardly_varies(values: Sequence[Any], targets: Sequence[Any]) -> bool:
  """Whether numbers have next to none of the deviation of their targets."""
  if not all(isinstance(value, Real) for value in values):
    return False
  return bool(np.std(values) < _LEAST_SHARE * np.std(targets))


def _warn(
  name: str,
  task: Task,
  values: Sequence[Any],
  targets: Sequence[Any],
  scores: Mapping[str, Any],
) -> list[str]:
  """A warning if the field does not vary, or scores as a constant does."""
  value, count = Counter(values).most_common(1)[0]
  collapsed = len(values) - count < _LEAST_SHARE * len(values)
  # Where the truth itself hardly varies, a constant is right.
  varies = len(targets) - Counter(targets).most_common(1)[0][1]
  if varies < max(_LEAST_SHARE * len(targets), 1):
    return []
  constant = scores[task.constant]
  told = [each for each in of_task(task) if each.constant_defined]
  equal = all(scores[each.name] == constant[each.name] for each in told)
  if collapsed:
    reason = f"{count} of {len(values)} predicted values are {value!r}"
  elif _hardly_varies(values, targets):
    reason = (
      f"the {len(values)} predicted values lie between {min(values)} and "
      f"{max(values)}"
    )
  elif equal:
    reason = "the predictions score exactly as a constant does"
  else:
    return []
  own, fixed = (
    ", ".join(f"{x.title} {format_score(x, values[x.name])}" for x in told)
    for values in (scores, constant)
  )
  return [
    f"collapse: {name}, {task.field}: {reason}; the model scores {own}, and "
    f"always saying the {task.answer} scores {fixed}"
  ]
