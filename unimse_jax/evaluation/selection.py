"""Which checkpoint is the best one (D33)."""

from collections.abc import Mapping, Sequence

import numpy as np

# train.selection -> what the results say of it.
RULES = {
  "mean_rank": "lowest mean rank of the validation scores mae and wf1",
  "last_epoch": "the last evaluation, whatever its scores",
  "best_on_test": "lowest mean rank of the TEST scores mae and wf1",
}
BANNER = (
  "SELECTED ON THE TEST SPLIT: train.selection = best_on_test picks the "
  "checkpoint by the very scores that are reported. They are too good, and "
  "must not be compared with scores of models selected on validation."
)
# Of each corpus the score that its task is judged by, and its direction.
PRIMARY = {"mae": -1, "wf1": 1}


def primary_scores(corpora: Mapping[str, Mapping]) -> dict[str, float]:
  """{"mosi/mae": 0.8, "meld/wf1": 0.6} of the scores of every corpus."""
  return {
    f"{name}/{score}": scores[score]
    for name, scores in corpora.items()
    for score in PRIMARY
    if score in scores
  }


def mean_ranks(history: Sequence[Mapping[str, float]]) -> np.ndarray:
  """float64[evaluations]: mean over scores of the rank, 0 being best.

  Equal scores share the better rank.
  """
  ranks = []
  for name in history[0]:
    sign = PRIMARY[name.rpartition("/")[2]]
    values = sign * np.array([entry[name] for entry in history])
    ranks.append([(values > value).sum() for value in values])
  return np.mean(ranks, axis=0)


def split_of(rule: str) -> str:
  """The split whose scores a rule reads."""
  return "test" if rule == "best_on_test" else "validation"


def newest_is_chosen(rule: str, history: Sequence[Mapping[str, float]]) -> bool:
  """Whether a rule of RULES takes the last evaluation of those so far."""
  return rule == "last_epoch" or newest_is_best(history)


def best_per_score(
  steps: Sequence[int], history: Sequence[Mapping[str, float]]
) -> dict[str, dict[str, float]]:
  """The step that each corpus would have chosen alone; of equals the earlier.

  Returns:
    For example {"mosi/mae": {"step": 300, "value": 0.7}}.
  """
  found = {}
  for name in history[0] if history else ():
    sign = PRIMARY[name.rpartition("/")[2]]
    values = [entry[name] for entry in history]
    place = int(np.argmax([sign * value for value in values]))
    found[name] = {"step": steps[place], "value": values[place]}
  return found


def newest_is_best(history: Sequence[Mapping[str, float]]) -> bool:
  """Whether the last evaluation has the lowest mean rank of all so far."""
  ranks = mean_ranks(history)
  return int(ranks.argmin()) == len(history) - 1
