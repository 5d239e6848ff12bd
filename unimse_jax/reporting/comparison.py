"""Two runs on the same utterances."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.errors import InputError
from unimse_jax.evaluation import confidence, metrics
from unimse_jax.reporting.run_files import EvaluatedRun, Row

Scorer = Callable[[np.ndarray], Mapping[str, Any]]


def compare(
  run: EvaluatedRun, other: EvaluatedRun
) -> dict[str, dict[str, tuple[float, ...]]]:
  """Scores of `run` minus those of `other`, utterance against utterance.

  Returns:
    corpus -> score -> (difference, low, high), the 95 % interval of a paired
    bootstrap; of the corpora that both were scored on.

  Raises:
    InputError: other splits or samples, or no corpus in common.
  """
  _check_comparable(run, other)
  faults, found = [], {}
  for corpus, scores in run.corpora.items():
    if corpus not in other.corpora:
      continue
    own, theirs = _by_id(run, corpus), _by_id(other, corpus)
    fault = _find_fault(own, theirs)
    if fault:
      faults.append(f"{corpus}: {fault}")
      continue
    others = [theirs[name] for name in own]
    found[corpus] = _differences(list(own.values()), others, scores)
  if faults:
    raise InputError(
      f"--compare {other.root}: expected the same utterances as in {run.root} "
      "of the corpora that both have, found:\n"
      + "\n".join(f"  - {fault}" for fault in faults)
      + "\nEvaluate both runs on the same data."
    )
  return found


def _check_comparable(run: EvaluatedRun, other: EvaluatedRun) -> None:
  """Raises InputError unless split, files and a corpus are common."""
  if run.split != other.split:
    raise InputError(
      f"--compare {other.root}: expected the {run.split} split as in "
      f"{run.root}, found {other.split}; run `python -m unimse_jax.eval "
      f"--split {run.split}` there."
    )
  for each in (run, other):
    if not each.rows:
      raise InputError(
        f"--compare: expected predictions/{each.split}.jsonl of this version "
        f"in {each.run_dir.path}, found none; run `python -m "
        "unimse_jax.eval` there."
      )
  if run.corpora.keys().isdisjoint(other.corpora):
    raise InputError(
      f"--compare {other.root}: expected a corpus in common with {run.root} "
      f"({', '.join(run.corpora)}), found {', '.join(other.corpora)}."
    )


def _by_id(run: EvaluatedRun, corpus: str) -> dict[str, Row]:
  return {row["id"]: row for row in run.of_corpus(corpus)}


def _find_fault(own: Mapping[str, Row], theirs: Mapping[str, Row]) -> str:
  """How the utterances of a corpus differ; "" where they are the same."""
  if own.keys() == theirs.keys():
    changed = [
      name for name in own if own[name]["targets"] != theirs[name]["targets"]
    ]
    if not changed:
      return ""
    return f"{len(changed)} utterances have other labels ({changed[0]} first)"
  missing = [name for name in own if name not in theirs]
  added = [name for name in theirs if name not in own]
  parts = [f"{len(own)} here, {len(theirs)} there"]
  if missing:
    parts.append(f"{len(missing)} only here ({missing[0]} first)")
  if added:
    parts.append(f"{len(added)} only there ({added[0]} first)")
  return ", ".join(parts)


def _differences(
  rows: Sequence[Row], others: Sequence[Row], scores: Mapping[str, Any]
) -> dict[str, tuple[float, ...]]:
  found = {}
  for field, classes in (
    ("intensity", ()),
    ("emotion", scores.get("per_class")),
  ):
    rated = [
      i for i, row in enumerate(rows) if row["targets"][field] is not None
    ]
    if not rated:
      continue
    ours = [rows[i] for i in rated]
    theirs = [others[i] for i in rated]
    intervals = confidence.paired_bootstrap(
      _scorer(ours, field, list(classes)),
      _scorer(theirs, field, list(classes)),
      len(rated),
    )
    found |= {
      name: (each.value, each.low, each.high)
      for name, each in intervals.items()
    }
  return found


def _scorer(rows: Sequence[Row], field: str, classes: Sequence[str]) -> Scorer:
  """Scores of some of the rows; what they were scored by is in the file."""
  predicted = np.array([row["scored"][field] for row in rows])
  target = np.array([row["targets"][field] for row in rows])
  if field == "intensity":
    return lambda chosen: metrics.sentiment_scores(
      predicted[chosen], target[chosen]
    )
  return lambda chosen: metrics.emotion_scores(
    predicted[chosen].tolist(), target[chosen].tolist(), classes
  )
