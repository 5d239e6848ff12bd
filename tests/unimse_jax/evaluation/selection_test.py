"""Mean rank over the validation scores."""

import numpy as np

from unimse_jax.evaluation import selection


def test_primary_scores_are_mae_and_wf1_of_each_corpus():
  corpora = {
    "mosi": {"mae": 0.8, "corr": 0.7, "acc7": 0.4},
    "meld": {"wf1": 0.6, "acc": 0.61},
    "both": {"mae": 1.0, "wf1": 0.5},
  }
  assert selection.primary_scores(corpora) == {
    "mosi/mae": 0.8,
    "meld/wf1": 0.6,
    "both/mae": 1.0,
    "both/wf1": 0.5,
  }


def test_ranks_count_the_better_ones_and_mae_is_better_small():
  history = [
    {"mosi/mae": 0.9, "meld/wf1": 0.6},  # ranks 2 and 0
    {"mosi/mae": 0.7, "meld/wf1": 0.5},  # 0 and 1
    {"mosi/mae": 0.8, "meld/wf1": 0.4},  # 1 and 2
  ]
  np.testing.assert_array_equal(selection.mean_ranks(history), [1.0, 0.5, 1.5])
  assert [selection.newest_is_best(history[:count]) for count in (1, 2, 3)] == [
    True,
    False,
    False,
  ]


def test_equal_scores_share_a_rank_and_the_earlier_one_stays():
  entry = {"meld/wf1": 0.5}
  np.testing.assert_array_equal(selection.mean_ranks([entry] * 3), [0, 0, 0])
  assert not selection.newest_is_best([entry, entry])


def test_each_score_names_the_step_that_it_would_have_chosen():
  history = [
    {"mosi/mae": 0.9, "meld/wf1": 0.5},
    {"mosi/mae": 0.8, "meld/wf1": 0.7},
    {"mosi/mae": 0.8, "meld/wf1": 0.6},
  ]
  assert selection.best_per_score([10, 20, 30], history) == {
    "mosi/mae": {"step": 20, "value": 0.8},
    "meld/wf1": {"step": 20, "value": 0.7},
  }
  assert selection.best_per_score([], []) == {}


def test_the_last_epoch_is_chosen_however_bad():
  worse = [{"mosi/mae": 0.5}, {"mosi/mae": 0.9}]
  assert selection.newest_is_chosen("last_epoch", worse)
  assert not selection.newest_is_chosen("mean_rank", worse)
  assert not selection.newest_is_chosen("best_on_test", worse)


def test_rules_are_those_of_the_config():
  from unimse_jax import config

  assert tuple(selection.RULES) == config.FIELDS["train.selection"].choices
  assert [selection.split_of(rule) for rule in selection.RULES] == [
    "validation",
    "validation",
    "test",
  ]
