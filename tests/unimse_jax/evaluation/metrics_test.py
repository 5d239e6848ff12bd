"""Scores against scikit-learn and scipy, by hand, and where not defined."""

import collections
import csv
import json
import math
import pathlib
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from unimse_jax.evaluation import metrics

_DATA = pathlib.Path(__file__).parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(
  not _DATA.is_dir(), reason=f"the real label files are not in {_DATA}"
)
_CLASSES = ("neutral", "joy", "anger", "fear")
# Sums over at most 60 float64 terms in another order than scikit-learn's and
# scipy's: a few times 2.2e-16 each, and Pearson's r divides by deviations.
_TOLERANCE = 1e-12


def reference_binary(p, y):
  f1 = sklearn_metrics.f1_score(y, p, average="weighted", zero_division=0)
  return sklearn_metrics.accuracy_score(y, p), f1


def reference_agreement(p, y, limit):
  """Python's own `round` is half to even."""
  p, y = ([round(float(x)) for x in v.clip(-limit, limit)] for v in (p, y))
  return sklearn_metrics.accuracy_score(y, p)


def reference_correlation(p, y):
  if len(y) < 2:
    return math.nan  # pearsonr refuses
  with warnings.catch_warnings():
    # NaN of constants is what is asked here; scipy warns of it.
    warnings.simplefilter("ignore", stats.ConstantInputWarning)
    return stats.pearsonr(p, y).statistic


def reference_sentiment(p, y):
  """What scikit-learn and scipy say of intensities."""
  kept = y != 0
  found = {
    "mae": sklearn_metrics.mean_absolute_error(y, p),
    "corr": reference_correlation(p, y),
    "acc7": reference_agreement(p, y, 3),
    "acc5": reference_agreement(p, y, 2),
    "n": len(y),
    "n_non0": kept.sum(),
    "acc2_non0": math.nan,
    "f1_non0": math.nan,
  }
  found["acc2_has0"], found["f1_has0"] = reference_binary(p >= 0, y >= 0)
  if kept.any():
    non0 = reference_binary(p[kept] > 0, y[kept] > 0)
    found["acc2_non0"], found["f1_non0"] = non0
  return found


def random_intensities(generator):
  """Predictions and targets with many zeros, ties at .5 and outliers."""
  n = int(generator.integers(1, 60))
  steps = generator.choice([0.5, 0.2, 1.0])
  y = np.clip(np.round(generator.normal(0, 1.5, n) / steps) * steps, -3, 3)
  p = np.round(generator.normal(0, 2, n) / steps) * steps
  kind = generator.integers(10)
  if kind == 0:
    p = np.full(n, generator.choice([0.0, 0.1, -2.0]))
  elif kind == 1:
    y = np.abs(y)  # no negative target
  elif kind == 2:
    p = y.copy()
  elif kind == 3:
    y = -np.abs(y) - 0.5  # one class only
  elif kind == 4:
    y = np.zeros(n)
  elif kind == 5:
    p, y = (np.round(each) + 0.5 for each in (p, y))
  elif kind == 6:
    y = np.full(n, 0.1)  # constant, and so that its mean is another number
  return p, y


def test_sentiment_scores_equal_scikit_learn_and_scipy_on_1000_cases():
  generator = np.random.default_rng(0)
  met = collections.Counter()
  for _ in range(1000):
    p, y = random_intensities(generator)
    expected = reference_sentiment(p, y)
    assert metrics.sentiment_scores(p, y) == pytest.approx(
      expected, rel=0, abs=_TOLERANCE, nan_ok=True
    )
    met["constant prediction"] += np.ptp(p) == 0
    met["constant target"] += np.ptp(y) == 0
    met["one class"] += len(set(y >= 0)) == 1
    met["only zeros"] += expected["n_non0"] == 0
    met["tie"] += bool(np.any(p % 1 == 0.5) or np.any(y % 1 == 0.5))
    met["outlier"] += np.abs(p).max() > 3
    met["no correlation"] += math.isnan(expected["corr"])
  assert min(met.values()) > 50, met


def test_rounding_is_half_to_even_after_clipping():
  target = [0.0, 0.0, 2.0, 2.0, 3.0, -3.0]
  predicted = [0.5, -0.5, 1.5, 2.5, 9.0, -2.5]
  scores = metrics.sentiment_scores(predicted, target)
  # 0 0 2 2 3 -2: only the last differs. With 2: all agree.
  assert scores["acc7"] == pytest.approx(5 / 6)
  assert scores["acc5"] == 1.0


def test_polarity_rules_by_hand():
  target = [-1.0, 0.0, 0.0, 1.0, 2.0]
  predicted = [-1.0, -0.1, 0.0, 0.0, 2.0]
  scores = metrics.sentiment_scores(predicted, target)
  assert scores["acc2_has0"] == pytest.approx(4 / 5)
  assert scores["acc2_non0"] == pytest.approx(2 / 3)
  # non0: F1 of negative 2/3 (support 1), of positive 2/3 (support 2).
  assert scores["f1_non0"] == pytest.approx(2 / 3)
  assert (scores["n"], scores["n_non0"]) == (5, 3)


def test_a_constant_prediction_has_no_correlation_and_no_warning():
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    for predicted in ([0.1] * 9, np.full(9, 0.1, np.float32)):
      scores = metrics.sentiment_scores(predicted, np.linspace(-3, 3, 9))
      assert math.isnan(scores["corr"])
    only_zero = metrics.sentiment_scores([0.0, 1.0], [0.0, 0.0])
  assert math.isnan(only_zero["acc2_non0"])
  assert math.isnan(only_zero["f1_non0"])


@pytest.mark.parametrize(
  ("predicted", "target", "message"),
  [
    ([], [], "N > 0"),
    ([1.0], [1.0, 2.0], "1 predictions for 2 targets"),
    ([[1.0]], [[1.0]], "found \\(1, 1\\)"),
    ([math.nan], [1.0], "predicted: .* nan at 0"),
    ([1.0, 1.0], [0.0, -math.inf], "target: .* -inf at 1"),
    ([0.0, math.nan, math.nan], [0.0] * 3, "nan at 1 \\(2 such\\)"),
    ([0.0, 1.0], [math.nan, 1.0], "target: .* nan at 0"),
  ],
)
def test_bad_intensities_are_refused(predicted, target, message):
  with pytest.raises(ValueError, match=message):
    metrics.sentiment_scores(predicted, target)


def random_emotions(generator):
  n = int(generator.integers(1, 60))
  used = int(generator.integers(1, len(_CLASSES) + 1))
  target = generator.choice(_CLASSES[:used], n)
  predicted = generator.choice([*_CLASSES, "surprised", ""], n)
  kind = generator.integers(5)
  if kind == 0:
    predicted = np.full(n, "joy")
  elif kind == 1:
    predicted = target.copy()
  elif kind == 2:
    predicted = np.full(n, "bored")
  return predicted.tolist(), target.tolist()


def test_emotion_scores_equal_scikit_learn_on_1000_cases():
  generator = np.random.default_rng(1)
  for _ in range(1000):
    predicted, target = random_emotions(generator)
    scores = metrics.emotion_scores(predicted, target, _CLASSES)
    columns = sklearn_metrics.precision_recall_fscore_support(
      target, predicted, labels=_CLASSES, zero_division=0
    )
    names = ("precision", "recall", "f1", "support")
    for i, name in enumerate(_CLASSES):
      expected = dict(zip(names, (c[i] for c in columns), strict=True))
      assert scores["per_class"][name] == pytest.approx(
        expected, abs=_TOLERANCE
      )
    expected = {
      "acc": sklearn_metrics.accuracy_score(target, predicted),
      "wf1": sklearn_metrics.f1_score(
        target,
        predicted,
        labels=_CLASSES,
        average="weighted",
        zero_division=0,
      ),
      "macro_f1": columns[2].mean(),
      "n": len(target),
    }
    found = {name: scores[name] for name in expected}
    assert found == pytest.approx(expected, abs=_TOLERANCE)
    inside = [row[:-1] for row in scores["confusion"]]
    # scikit-learn's matrix over the same labels leaves the others out.
    np.testing.assert_array_equal(
      inside,
      sklearn_metrics.confusion_matrix(
        [*target, *_CLASSES], [*predicted, *_CLASSES], labels=_CLASSES
      )
      - np.eye(len(_CLASSES), dtype=int),
    )


def test_a_prediction_outside_the_classes_is_wrong_and_counted():
  scores = metrics.emotion_scores(
    ["joy", "", "anger"], ["joy", "joy", "anger"], ("joy", "anger")
  )
  assert scores["confusion"] == [[1, 0, 1], [0, 1, 0]]
  assert scores["acc"] == pytest.approx(2 / 3)
  # F1 of joy 2/3, support 2; of anger 1, support 1.
  assert scores["wf1"] == pytest.approx((2 * 2 / 3 + 1) / 3)
  assert scores["macro_f1"] == pytest.approx(5 / 6)


@pytest.mark.parametrize(
  ("predicted", "target", "classes", "message"),
  [
    ([], [], ("a",), "N > 0"),
    (["a"], ["a", "a"], ("a",), "1 predictions for 2 targets"),
    (["a", "a"], ["a", "b"], ("a",), r"targets \['b'\]"),
    (["a"], ["a"], ("a", "a"), "twice"),
  ],
)
def test_bad_emotions_are_refused(predicted, target, classes, message):
  with pytest.raises(ValueError, match=message):
    metrics.emotion_scores(predicted, target, classes)


def test_constant_sentiment_says_the_training_median():
  scores = metrics.constant_sentiment([-3, 1, 2], [0.0, 1.0, 3.0])
  assert scores["mae"] == pytest.approx(1.0)
  assert math.isnan(scores["corr"])


def test_constant_emotion_says_the_majority_and_breaks_ties_by_name():
  train = ["joy", "anger", "anger", "joy", "fear"]
  scores = metrics.constant_emotion(train, ["anger", "fear"], _CLASSES)
  assert scores["acc"] == 0.5
  assert scores["per_class"]["anger"]["recall"] == 1.0
  with pytest.raises(ValueError, match="bored"):
    metrics.constant_emotion(["bored"], ["joy"], _CLASSES)


def test_scores_are_plain_json():
  sentiment = metrics.sentiment_scores(np.float32([0.5, 1]), [1, 2])
  emotion = metrics.emotion_scores(["joy"], ["joy"], _CLASSES)
  for scores in (sentiment, emotion):
    assert json.loads(json.dumps(scores)) == scores


@needs_data
def test_a_model_stuck_at_zero_gets_its_known_scores_on_mosi():
  folds = json.loads((_DATA / "folds/cmu_mosi_std_folds.json").read_text())
  with (_DATA / "mosi/transcripts.csv").open(encoding="utf-8") as file:
    rows = list(csv.reader(file))
  # The file has the sign of the intensity only: 0 stands for negative.
  target = [
    1.0 if label == "1" else -1.0
    for name, _, _, label in rows
    if name.rsplit("_", 1)[0] in folds["test"]
  ]
  scores = metrics.sentiment_scores([0.0] * len(target), target)
  # The scores to recognise a broken decoder by: 44.75 and 27.67 of 686.
  assert scores["n"] == 686
  assert round(100 * scores["acc2_has0"], 2) == 44.75
  assert round(100 * scores["f1_has0"], 2) == 27.67


@needs_data
def test_the_majority_class_of_meld_is_neutral():
  emotions = {}
  for split in ("train", "test"):
    path = _DATA / f"meld/{split}_sent_emo.csv"
    with path.open(encoding="utf-8", errors="replace") as file:
      emotions[split] = [row["Emotion"] for row in csv.DictReader(file)]
  classes = sorted(set(emotions["train"]))
  scores = metrics.constant_emotion(
    emotions["train"], emotions["test"], classes
  )
  assert (scores["n"], scores["acc"]) == (2610, 1256 / 2610)
  assert scores["per_class"]["neutral"]["recall"] == 1.0
