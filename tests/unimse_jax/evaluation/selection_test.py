"""Which evaluation is the best one."""

import pytest

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


def corpora(mosi, mosei, constants=(1.456, 0.838)):
  return {
    name: {"mae": mae, "constant_sentiment": {"mae": constant}}
    for name, mae, constant in zip(
      ("mosi", "mosei"), (mosi, mosei), constants, strict=True
    )
  }


def test_skill_is_the_share_of_the_constants_error_that_is_gone():
  scores = {
    "mosi": {"mae": 0.75, "constant_sentiment": {"mae": 1.0}},
    "meld": {"wf1": 0.55, "constant_emotion": {"wf1": 0.4}},
  }
  expected = (0.25 + 0.15 / 0.6) / 2
  assert selection.mean_skill(scores, False) == pytest.approx(expected)
  assert selection.mean_skill(scores, True) == pytest.approx(expected - 1)
  worse = {"mosi": {"mae": 1.5, "constant_sentiment": {"mae": 1.0}}}
  assert selection.mean_skill(worse, False) == -0.5


def test_a_score_that_the_constant_gets_perfectly_has_no_skill():
  scores = {
    "mosi": {"mae": 0.5, "constant_sentiment": {"mae": 0.0}},
    "meld": {"wf1": 0.7, "constant_emotion": {"wf1": 0.4}},
  }
  assert selection.mean_skill(scores, False) == pytest.approx(0.5)
  scores.pop("meld")
  assert selection.mean_skill(scores, False) == 0.0


def test_a_collapsed_evaluation_loses_to_those_that_are_not():
  # Real MOSI and MOSEI texts: validation MAE of four evaluations, of which the
  # first says 0.67 about 685 of 686 utterances. By mean rank it stayed.
  maes = ((1.418, 0.779), (1.504, 0.718), (1.496, 0.724), (1.505, 0.725))
  skills = [
    selection.mean_skill(corpora(*pair), collapsed=number == 0)
    for number, pair in enumerate(maes)
  ]
  assert skills.index(max(skills)) == 1


def test_differences_count_by_their_size_not_by_their_rank():
  # One corpus a hair better, the other clearly worse.
  better, worse = corpora(0.900, 0.60), corpora(0.899, 0.70)
  assert selection.mean_skill(better, False) > selection.mean_skill(
    worse, False
  )


def test_an_evaluation_whose_checkpoint_is_gone_is_named():
  lines = [
    {"step": 10, "skill": 0.2, "mosi/mae": 1.0},
    {"step": 20, "skill": 0.4, "mosi/mae": 0.9},
    {"step": 30, "skill": 0.3, "mosi/mae": 0.95},
  ]
  assert selection.lost_best("mean_skill", lines, 20) is None
  assert selection.lost_best("mean_skill", lines, 30) == 20
  assert selection.lost_best("last_epoch", lines, 30) is None
  assert selection.lost_best("last_epoch", lines, 20) == 30
  assert selection.lost_best("mean_skill", [], 30) is None
  # A run killed after it wrote the scores and before it saved them.
  assert selection.lost_best("mean_skill", lines[:1], 5) == 10


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


def test_rules_are_those_of_the_config():
  from unimse_jax import config

  assert tuple(selection.RULES) == config.FIELDS["train.selection"].choices
  assert [selection.split_of(rule) for rule in selection.RULES] == [
    "validation",
    "validation",
    "test",
  ]


@pytest.mark.parametrize(
  ("skills", "patience", "goes_on"),
  [
    ([], 1, True),
    ([0.1, 0.0, 0.0, 0.0], 0, True),
    ([0.1], 1, True),
    ([0.1, 0.2], 1, True),
    ([0.1, 0.05], 1, False),
    ([0.1, 0.1], 1, False),  # no better one
    ([0.1, 0.05, 0.04], 3, True),
    ([0.3, 0.1, 0.2, 0.25], 3, False),
    ([0.3, 0.1, 0.2, 0.31], 3, True),
  ],
)
def test_patience_counts_evaluations_since_the_best(skills, patience, goes_on):
  assert selection.is_patient(skills, patience) is goes_on
