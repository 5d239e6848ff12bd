"""Which checkpoint is the best one (D33).

Every evaluation of a split gets one number, the mean skill over the corpora.
It is saved with the checkpoint, so the best of those that are there is known
without the history, and it does not change when later evaluations are added.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.tables.scores import BY_NAME, PRIMARY

# train.selection -> what the results say of it.
RULES = {
  "mean_skill": "highest mean skill over the constant predictor in the "
  "validation scores mae and wf1",
  "last_epoch": "the last evaluation, whatever its scores",
  "best_on_test": "highest mean skill over the constant predictor in the TEST "
  "scores mae and wf1",
}
BANNER = (
  "SELECTED ON THE TEST SPLIT: train.selection = best_on_test picks the "
  "checkpoint by the very scores that are reported. They are too good, and "
  "must not be compared with scores of models selected on validation."
)
# More than skills usually differ by: a collapsed evaluation comes last.
_COLLAPSED = 1.0


def primary_scores(corpora: Mapping[str, Mapping]) -> dict[str, float]:
  """{"mosi/mae": 0.8, "meld/wf1": 0.6} of the scores of every corpus."""
  return {
    f"{name}/{score.name}": scores[score.name]
    for name, scores in corpora.items()
    for score in PRIMARY
    if score.name in scores
  }


def mean_skill(
  corpora: Mapping[str, Mapping[str, Any]], collapsed: bool
) -> float:
  """How far an evaluation is from the constant predictor to perfection.

  The skill of a score is (score - constant) / (best possible - constant): 0
  for always saying the training median or majority, 1 for no error, negative
  if worse than the constant. Scores of different scales and corpora can then
  be averaged, and a difference counts by its size, not by its rank.

  Args:
    corpora: name -> scores, with the constant predictor's.
    collapsed: whether the model writes nearly the same about every utterance
      of some corpus; 1 is then taken off.

  Returns:
    The mean over all scores that have a skill; a score that the constant gets
    perfectly has none.
  """
  skills = []
  for scores in corpora.values():
    for score in PRIMARY:
      if score.name not in scores:
        continue
      constant = scores[score.task.constant][score.name]
      if constant != score.best:
        skills.append((scores[score.name] - constant) / (score.best - constant))
  return float(np.mean(skills) if skills else 0.0) - _COLLAPSED * collapsed


def scores_of(line: Mapping[str, Any]) -> dict[str, float]:
  """The primary scores in a line of metrics.jsonl."""
  return {name: value for name, value in line.items() if "/" in name}


def is_patient(skills: Sequence[float], patience: int) -> bool:
  """Whether to go on: one of the last `patience` evaluations was the best.

  Args:
    skills: skill of every evaluation so far, oldest first.
    patience: number of evaluations without a better one that end training; 0
      for no end.
  """
  if not patience or not skills:
    return True
  return len(skills) - 1 - int(np.argmax(skills)) < patience


def lost_best(
  rule: str, lines: Sequence[Mapping[str, Any]], step: int
) -> int | None:
  """The step that a rule would choose if it is not the one that is there.

  Args:
    rule: one of RULES.
    lines: evaluations of the rule's split in metrics.jsonl; those without the
      field "skill" are left out.
    step: the best of the checkpoints that are there.
  """
  key = "step" if rule == "last_epoch" else "skill"
  rated = {
    line["step"]: line[key] for line in lines if line.get(key) is not None
  }
  if not rated:
    return None
  best = max(rated, key=rated.__getitem__)
  return None if rated.get(step) == rated[best] else best


def split_of(rule: str) -> str:
  """The split whose scores a rule reads."""
  return "test" if rule == "best_on_test" else "validation"


def best_per_score(
  steps: Sequence[int], history: Sequence[Mapping[str, float]]
) -> dict[str, dict[str, float]]:
  """The step that each corpus would have chosen alone; of equals the earlier.

  Args:
    steps: step of each evaluation.
    history: `primary_scores` of each evaluation.

  Returns:
    For example {"mosi/mae": {"step": 300, "value": 0.7}}.
  """
  chosen = {}
  for name in history[0] if history else ():
    sign = BY_NAME[name.rpartition("/")[2]].better
    values = [entry[name] for entry in history]
    place = int(np.argmax([sign * value for value in values]))
    chosen[name] = {"step": steps[place], "value": values[place]}
  return chosen
