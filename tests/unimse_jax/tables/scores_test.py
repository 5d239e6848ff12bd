"""The table of scores names what the metrics return, and no more."""

import math

import pytest

from unimse_jax.evaluation import metrics
from unimse_jax.tables import scores
from unimse_jax.tables.scores import BY_NAME, EMOTION, INTENSITY


def _of_metrics():
  sentiment = metrics.sentiment_scores([1.0, -2.0, 0.5], [1.5, -1.0, 0.0])
  emotion = metrics.emotion_scores(["a", "b"], ["a", "a"], ["a", "b"])
  return {INTENSITY: sentiment, EMOTION: emotion}


@pytest.mark.parametrize("task", scores.TASKS, ids=lambda task: task.field)
def test_every_number_of_the_metrics_is_in_the_table(task):
  values = _of_metrics()[task]
  numbers = [name for name, each in values.items() if isinstance(each, float)]
  assert numbers == [each.name for each in scores.of_task(task)]
  for each in scores.of_task(task):
    assert isinstance(values[each.counted], int)


def test_shares_are_the_scores_that_lie_between_0_and_1():
  assert [each.name for each in scores.SCORES if not each.is_share] == [
    "mae",
    "corr",
  ]


def test_the_better_direction_is_that_of_a_perfect_prediction():
  target = [1.0, -2.0, 0.5, 0.0]
  right = metrics.sentiment_scores(target, target)
  wrong = metrics.sentiment_scores([-1.0, 2.0, -3.0, -1.0], target)
  right |= metrics.emotion_scores(["a", "b"], ["a", "b"], ["a", "b"])
  wrong |= metrics.emotion_scores(["b", "a"], ["a", "b"], ["a", "b"])
  for each in scores.SCORES:
    assert (right[each.name] - wrong[each.name]) * each.better > 0
    assert right[each.name] == pytest.approx(each.best)


def test_what_a_constant_lacks_is_marked():
  values = metrics.constant_sentiment([1.0, 2.0], [0.0, 0.0])
  lacking = {name for name, value in values.items() if math.isnan(value)}
  assert lacking == {
    each.name for each in scores.of_task(INTENSITY) if not each.constant_defined
  }


def test_each_task_is_judged_by_one_score():
  assert scores.primary(INTENSITY).name == "mae"
  assert scores.primary(EMOTION).name == "wf1"
  assert scores.is_annotated(EMOTION, {"wf1": None})
  assert not scores.is_annotated(EMOTION, {"mae": 1.0})


def test_the_order_of_the_table_is_that_of_what_is_shown():
  assert [each.title for each in scores.among({"wf1", "mae", "n"})] == [
    "MAE",
    "WF1",
  ]


def test_numbers_are_printed_as_the_field_does():
  mae, wf1 = BY_NAME["mae"], BY_NAME["wf1"]
  assert scores.format_score(mae, 0.6914) == "0.691"
  assert scores.format_score(wf1, 0.4868) == "48.68"
  assert scores.format_score(wf1, 0.01, "+") == "+1.00"
  assert scores.format_score(wf1, None) == "-"
  assert scores.format_interval(wf1, (0.918, 1.0)) == "91.80 to 100.00"
  assert scores.format_interval(mae, (None, None)) == "-"
  assert scores.format_interval(mae, None) == "-"
  spread = {"mean": 0.5, "sd": 0.1}
  assert scores.format_spread(wf1, spread) == "50.00 ± 10.00"
  assert scores.format_spread(wf1, spread | {"sd": None}) == "50.00"
  assert scores.format_spread(wf1, None) == "-"
  assert scores.format_difference(mae, (0.03, 0.01, 0.05)) == (
    "+0.030 (+0.010 to +0.050)"
  )
  assert scores.format_difference(mae, (0.03, None, None)) == "+0.030"
  assert scores.format_difference(mae, (None, None, None)) == "-"
