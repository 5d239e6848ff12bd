"""Which checkpoint is the best one (D33): validation scores only."""

from collections.abc import Mapping, Sequence

import numpy as np

RULE = "lowest mean rank of the validation scores mae and wf1"
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


def newest_is_best(history: Sequence[Mapping[str, float]]) -> bool:
  """Whether the last evaluation has the lowest mean rank of all so far."""
  ranks = mean_ranks(history)
  return int(ranks.argmin()) == len(history) - 1
