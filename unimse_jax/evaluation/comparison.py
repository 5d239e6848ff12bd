"""Runs compared on the same utterances, score by score."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unimse_jax.errors import InputError
from unimse_jax.evaluation import confidence
from unimse_jax.evaluation.confidence import Groups, Scorer
from unimse_jax.evaluation.uncertainty import scorer
from unimse_jax.rundir import RunDir
from unimse_jax.tables.scores import TASKS

_Row = Mapping[str, Any]
_NEEDED = {"id", "corpus", "targets", "scored"}


@dataclasses.dataclass(frozen=True)
class Comparison:
  """First minus second, for every corpus that all runs were scored on.

  Attributes:
    differences: corpus -> score -> [value, low, high]; None where it is not
      defined.
    resampled: corpus -> field -> {"unit", "groups"}: what the intervals drew.
  """

  differences: Mapping[str, Mapping[str, list[float | None]]]
  resampled: Mapping[str, Mapping[str, Mapping[str, Any]]]


class _Evaluated:
  """What a comparison reads of one run."""

  def __init__(self, run_dir: RunDir, split: str):
    self.path = run_dir.path
    rows = run_dir.predictions(split)
    results = run_dir.results(split)
    old = any(not row.keys() >= _NEEDED for row in rows)
    if results is None or not rows or old:
      raise InputError(
        f"Comparison: expected predictions/{split}.jsonl of this version in "
        f"{self.path}, found none; run `python -m unimse_jax.eval --workdir "
        f"{self.path} --split {split}`."
      )
    self.corpora: Mapping[str, Mapping[str, Any]] = results["corpora"]
    self._rows = {(row["corpus"], row["id"]): row for row in rows}

  def of_corpus(self, corpus: str) -> dict[str, _Row]:
    """id -> row."""
    return {
      name: row for (where, name), row in self._rows.items() if where == corpus
    }


def compare(
  pairs: Sequence[tuple[RunDir, RunDir]], split: str, single: bool = False
) -> Comparison:
  """Differences with their 95 % intervals by a paired bootstrap.

  A resample draws dialogues, and takes what all runs said of them.

  Args:
    pairs: runs to subtract from each other, a pair for each seed; their mean
      is compared.
    split: split whose predictions are compared.
    single: whether single utterances are drawn in any case.

  Raises:
    InputError: a run is not evaluated, or the runs were not scored on the same
      utterances with the same labels, or on no corpus in common.
  """
  sides = [
    [_Evaluated(run, split) for run in side]
    for side in zip(*pairs, strict=True)
  ]
  runs = [run for side in sides for run in side]
  first = runs[0]
  common = [
    name for name in first.corpora if all(name in run.corpora for run in runs)
  ]
  _check_same(runs, common)
  differences, resampled = {}, {}
  for corpus in common:
    differences[corpus], resampled[corpus] = {}, {}
    classes = [*first.corpora[corpus].get("per_class", ())]
    tables = [[run.of_corpus(corpus) for run in side] for side in sides]
    rated = set.intersection(
      *(_rated(table) for side in tables for table in side)
    )
    for task in TASKS:
      if task.field not in rated:
        continue
      ids = [
        name
        for name, row in tables[0][0].items()
        if row["targets"][task.field] is not None
      ]
      groups = _groups([tables[0][0][name] for name in ids], single)
      resampled[corpus][task.field] = groups.describe()
      one, other = (
        _mean_scorer(side, ids, task.field, classes) for side in tables
      )
      intervals = confidence.paired_bootstrap(one, other, groups)
      differences[corpus] |= {
        name: [_finite(x) for x in (each.value, each.low, each.high)]
        for name, each in intervals.items()
      }
  return Comparison(differences, resampled)


def _check_same(runs: Sequence[_Evaluated], common: Sequence[str]) -> None:
  """Raises InputError that names all faults of all corpora."""
  first = runs[0]
  if not common:
    listed = "; ".join(
      f"{', '.join(run.corpora)} in {run.path}" for run in runs
    )
    raise InputError(
      f"Comparison: expected a corpus in common, found {listed}."
    )
  faults = []
  for run in runs[1:]:
    for corpus in common:
      fault = _find_fault(first.of_corpus(corpus), run.of_corpus(corpus))
      if fault:
        faults.append(f"  - {corpus}: {fault} ({run.path})")
  if faults:
    raise InputError(
      f"Comparison: expected the same utterances as in {first.path} of the "
      "corpora that the runs have in common, found:\n"
      + "\n".join(faults)
      + "\nEvaluate the runs on the same data."
    )


def _find_fault(own: Mapping[str, _Row], theirs: Mapping[str, _Row]) -> str:
  """How the utterances of a corpus differ; "" where they are the same."""
  if own.keys() == theirs.keys():
    # A run may be scored on one field of a corpus that rates both.
    fields = _rated(own) & _rated(theirs)
    changed = [
      name
      for name in own
      if any(
        own[name]["targets"][field] != theirs[name]["targets"][field]
        for field in fields
      )
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


def _rated(rows: Mapping[str, _Row]) -> set[str]:
  """The fields that any utterance is rated for."""
  return {
    task.field
    for task in TASKS
    if any(row["targets"][task.field] is not None for row in rows.values())
  }


def _groups(rows: Sequence[_Row], single: bool) -> Groups:
  if single:
    return Groups.single(len(rows))
  # An older version wrote neither.
  names = (
    [row.get(key, "") for row in rows] for key in ("dialogue", "speaker")
  )
  return Groups.of(*names)


def _mean_scorer(
  runs: Sequence[Mapping[str, _Row]],
  ids: Sequence[str],
  field: str,
  classes: Sequence[str],
) -> Scorer:
  """Mean over the runs of every score; what they were scored by is stored."""
  scorers = []
  for rows in runs:
    rated = [
      (rows[name]["scored"][field], rows[name]["targets"][field])
      for name in ids
    ]
    scorers.append(scorer(field, rated, classes))

  def score(chosen: np.ndarray) -> dict[str, Any]:
    of_runs = [each(chosen) for each in scorers]
    return of_runs[0] | {
      name: float(np.mean([each[name] for each in of_runs]))
      for name, value in of_runs[0].items()
      if isinstance(value, float)
    }

  return score


def _finite(value: float) -> float | None:
  return value if np.isfinite(value) else None
