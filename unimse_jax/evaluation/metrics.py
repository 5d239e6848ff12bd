"""Scores over a whole split, in NumPy; as fractions, table printing multiplies.

The conventions are those of the published comparisons (paper section 4.2;
authors' code): rounding half to even, "has0" and "non0" polarity, F1 weighted
by support. A mean over batches would be another number: give whole splits.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_NAN = float("nan")


def sentiment_scores(predicted: ArrayLike, target: ArrayLike) -> dict[str, Any]:
  """Scores of intensities, the targets in [-3, 3].

  Args:
    predicted: float[N]; values beyond [-3, 3] are clipped for acc7 and acc5
      only.
    target: float[N].

  Returns:
    mae: mean absolute error, in units of the scale.
    corr: Pearson's r; NaN if the predictions or the targets are constant
      (also for N = 1), where it is not defined.
    acc7, acc5: agreement after clipping to [-3, 3], [-2, 2] and rounding half
      to even (0.5 -> 0, 1.5 -> 2).
    acc2_has0, f1_has0: negative against non-negative (>= 0), all samples.
    acc2_non0, f1_non0: negative against positive, without the samples whose
      target is 0; a prediction of 0 counts as negative. NaN if none is left.
    n, n_non0: the numbers of samples behind them. F1 is weighted by support.

  Raises:
    ValueError: no samples, not one-dimensional, lengths that differ, or a
      value that is not finite.
  """
  p, y = _check_values("predicted", predicted), _check_values("target", target)
  if len(p) != len(y):
    raise ValueError(f"{len(p)} predictions for {len(y)} targets")
  kept = y != 0
  has0 = _binary_scores(p >= 0, y >= 0)
  non0 = _binary_scores(p[kept] > 0, y[kept] > 0)
  return {
    "mae": float(np.mean(np.abs(p - y))),
    "corr": _pearson(p, y),
    "acc7": _rounded_agreement(p, y, 3.0),
    "acc5": _rounded_agreement(p, y, 2.0),
    "acc2_has0": has0[0],
    "acc2_non0": non0[0],
    "f1_has0": has0[1],
    "f1_non0": non0[1],
    "n": len(y),
    "n_non0": int(kept.sum()),
  }


def emotion_scores(
  predicted: Sequence[str], target: Sequence[str], classes: Sequence[str]
) -> dict[str, Any]:
  """Scores of emotion classes.

  Args:
    predicted: N strings. One outside `classes` (a malformed output) is wrong,
      never an error.
    target: N strings out of `classes`.
    classes: C classes of the scheme, in the order of the tables.

  Returns:
    acc: accuracy.
    wf1: F1 weighted by support (scikit-learn: labels=classes, zero_division=0).
    macro_f1: mean F1 over all classes, also those without a target.
    per_class: {class: {precision, recall, f1, support}}.
    confusion: int[C][C + 1], rows are targets, columns predictions; the last
      column counts predictions outside `classes`.
    n: N.

  Raises:
    ValueError: no samples, lengths that differ, classes named twice, or a
      target outside `classes`.
  """
  confusion = _confusion(predicted, target, classes)
  hits = np.diagonal(confusion)
  support = confusion.sum(axis=1)
  precision = _ratio(hits, confusion[:, : len(classes)].sum(axis=0))
  recall = _ratio(hits, support)
  # 2PR / (P + R) written in counts: exact, and 0 where nothing is known.
  f1 = _ratio(2 * hits, confusion[:, : len(classes)].sum(axis=0) + support)
  columns = {"precision": precision, "recall": recall, "f1": f1}
  return {
    "acc": float(hits.sum() / support.sum()),
    "wf1": float(np.average(f1, weights=support)),
    "macro_f1": float(f1.mean()),
    "per_class": {
      name: {key: float(column[i]) for key, column in columns.items()}
      | {"support": int(support[i])}
      for i, name in enumerate(classes)
    },
    "confusion": confusion.tolist(),
    "n": int(support.sum()),
  }


def constant_sentiment(
  train_target: ArrayLike, test_target: ArrayLike
) -> dict[str, Any]:
  """`sentiment_scores` of always saying the training median.

  The reference for a collapsed model: the median is the constant with the
  least absolute error. Raises ValueError as `sentiment_scores` does.
  """
  median = float(np.median(_check_values("train_target", train_target)))
  return sentiment_scores(np.full(np.shape(test_target), median), test_target)


def constant_emotion(
  train_target: Sequence[str],
  test_target: Sequence[str],
  classes: Sequence[str],
) -> dict[str, Any]:
  """`emotion_scores` of always saying the training set's majority class.

  Raises ValueError as `emotion_scores` does, for the training targets too.
  """
  # The rows of a confusion matrix of the targets with themselves: counts,
  # and the targets are checked on the way.
  counts = _confusion(train_target, train_target, classes).sum(axis=1)
  word = majority(dict(zip(classes, counts, strict=True)))
  return emotion_scores([word] * len(test_target), test_target, classes)


def majority(counts: Mapping[str, int]) -> str:
  """The most frequent class, of equally frequent ones the first by name.

  "" where there is none.
  """
  return min(counts, key=lambda word: (-counts[word], word), default="")


def _check_values(name: str, values: ArrayLike) -> np.ndarray:
  # float64 for inputs of any type: sums must not depend on the order of rows.
  array = np.asarray(values, dtype=np.float64)
  if array.ndim != 1 or array.size == 0:
    raise ValueError(f"{name}: expected float[N], N > 0, found {array.shape}")
  wrong = np.flatnonzero(~np.isfinite(array))
  if wrong.size:
    raise ValueError(
      f"{name}: expected finite values, found {array[wrong[0]]} at "
      f"{wrong[0]} ({wrong.size} such)"
    )
  return array


def _rounded_agreement(p: np.ndarray, y: np.ndarray, limit: float) -> float:
  rounded = [np.round(np.clip(values, -limit, limit)) for values in (p, y)]
  return float(np.mean(rounded[0] == rounded[1]))


def _pearson(p: np.ndarray, y: np.ndarray) -> float:
  # Tested for equality: in np.corrcoef a constant 0.1 has a tiny variance
  # from rounding, and its correlation would be noise.
  if np.ptp(p) == 0 or np.ptp(y) == 0:
    return _NAN
  return float(np.corrcoef(p, y)[0, 1])


def _binary_scores(p: np.ndarray, y: np.ndarray) -> tuple[float, float]:
  if not len(y):
    return _NAN, _NAN
  scores = emotion_scores(p.tolist(), y.tolist(), (False, True))
  return scores["acc"], scores["wf1"]


def _confusion(
  predicted: Sequence[str], target: Sequence[str], classes: Sequence[str]
) -> np.ndarray:
  if len(predicted) != len(target) or not len(target):
    raise ValueError(
      f"{len(predicted)} predictions for {len(target)} targets (N > 0)"
    )
  index = {name: i for i, name in enumerate(classes)}
  if len(index) != len(classes):
    raise ValueError(f"classes named twice: {list(classes)}")
  unknown = sorted({str(name) for name in target if name not in index})
  if unknown:
    raise ValueError(f"targets {unknown} are not among {list(classes)}")
  confusion = np.zeros((len(classes), len(classes) + 1), dtype=np.int64)
  rows = [index[name] for name in target]
  columns = [index.get(name, len(classes)) for name in predicted]
  np.add.at(confusion, (rows, columns), 1)
  return confusion


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
  return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
