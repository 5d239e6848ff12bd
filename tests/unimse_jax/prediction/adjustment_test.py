"""Emotions by their probability over how frequent their class is."""

import pytest

from unimse_jax.evaluation.evaluator import Evaluator
from unimse_jax.labels import ParsedLabel
from unimse_jax.parallel import mesh as mesh_lib
from unimse_jax.pipeline import open_run
from unimse_jax.prediction.adjustment import adjust
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.rundir import RunDir

COUNTS = {"meld": {"neutral": 80, "joy": 16, "fear": 1}}


def predicted(emotion="neutral", **chances) -> Prediction:
  parsed = ParsedLabel({"polarity": "neutral", "meld": emotion}, False)
  return Prediction("neutral, x", parsed, probabilities={"meld": chances})


def chosen(power: float, prediction: Prediction):
  (found,) = adjust([prediction], COUNTS, power)
  assert found.output == prediction.output
  assert found.probabilities == prediction.probabilities
  assert found.parsed.fields["polarity"] == "neutral"
  return found.parsed.fields["meld"]


@pytest.mark.parametrize(
  ("power", "expected"), [(0.0, "neutral"), (0.5, "joy"), (1.0, "fear")]
)
def test_the_power_decides_between_frequent_and_rare(power, expected):
  # .6 / 80, .37 / 16, .03 / 1, and with the roots of the counts.
  assert chosen(power, predicted(neutral=0.6, joy=0.37, fear=0.03)) == expected


def test_a_class_that_may_not_follow_is_not_chosen():
  assert chosen(1.0, predicted(neutral=0.9, joy=0.1, fear=0.0)) == "neutral"


def test_a_class_that_training_has_not_seen_is_not_chosen():
  found = chosen(1.0, predicted(neutral=0.5, joy=0.1, disgust=0.4))
  assert found == "neutral"


def test_a_malformed_slot_stays_so():
  assert chosen(1.0, predicted(None, neutral=0.5, joy=0.5)) is None
  assert chosen(1.0, predicted("joy")) == "joy"


def test_evaluations_and_counts_of_a_run(straight, tiny_config):
  config = tiny_config({"decoding.logit_adjustment": 1.0})
  experiment = open_run(config, RunDir(straight))
  counts = experiment.pipeline.class_counts
  assert counts == {"moods": {"joy": 7, "anger": 7, "calm": 7}}
  mesh = mesh_lib.make_mesh(devices=1)
  params = experiment.initial_params(mesh)
  found = Evaluator(experiment, mesh).predict(params, "test")
  for each in found:
    chances = each.probabilities["moods"]
    if each.parsed.fields["moods"] is not None:
      # All classes are as frequent: the most probable one is chosen.
      best = max(chances.values())
      assert chances[each.parsed.fields["moods"]] == pytest.approx(best)
