"""Collapsed and healthy outputs."""

import pytest

from unimse_jax.data import mixture
from unimse_jax.evaluation import collapse, scoring
from unimse_jax.labels import LabelText, ParsedLabel
from unimse_jax.prediction.prediction import Prediction


@pytest.fixture(scope="module")
def loaded(corpora):
  labels = str(corpora / "films_friends.jsonl")
  return mixture.load(str(corpora), ("films", "friends"), labels)


@pytest.fixture(scope="module")
def report(loaded):
  """The report of a function from an example to its output."""

  def make(write, examples=None, schema=loaded.schema):
    text = LabelText(schema)
    predictions = [
      Prediction(output, text.parse(output), record=each)
      for each in (examples or loaded.examples["test"])
      for output in [write(each, text)]
    ]
    return collapse.collapse_report(
      predictions,
      scoring.score_corpora(
        predictions, scoring.scored_values(predictions, loaded), loaded
      ),
      {name: each.scheme_name for name, each in loaded.corpora.items()},
    )

  return make


@pytest.mark.parametrize(
  ("values", "bits"),
  [("aaaa", 0), ("aabb", 1), ("abcd", 2), ("abbbbbbb", 0.5436)],
)
def test_entropy_in_bits(values, bits):
  assert collapse.entropy(values) == pytest.approx(bits, abs=1e-4)


def test_a_healthy_model_is_not_warned_of(report):
  found = report(lambda example, text: text.write(example.label))
  assert found["warnings"] == []
  assert found["distinct_share"] > 0.2
  assert min(found["entropy"].values()) > 0.5
  assert set(found["entropy"]) == {"polarity", "intensity", "moods"}


def test_one_output_for_all_names_what_a_constant_would_get(report):
  found = report(lambda example, text: "neutral, 0, anger")
  everything, films, friends = found["warnings"]
  assert everything == "collapse: all 10 outputs are 'neutral, 0, anger'"
  # The targets of the five films are 1.6, -1.2, 0, 1.6 and -1.2.
  assert films.startswith(
    "collapse: films, intensity: 5 of 5 predicted values are 0.0; "
  )
  assert films.endswith(
    "the model scores MAE 1.120, ACC-7 20.00, ACC-5 20.00, ACC-2 has0 60.00, "
    "F1 has0 45.00, and always saying the train median scores MAE 1.120, ACC-7 "
    "20.00, ACC-5 20.00, ACC-2 has0 60.00, F1 has0 45.00"
  )
  assert "friends, emotion: 5 of 5 predicted values are 'anger'" in friends
  assert "the train majority scores ACC 40.00" in friends
  assert found["entropy"] == {"polarity": 0, "intensity": 0, "moods": 0}
  assert found["distinct_share"] == 0.1


def test_one_field_may_collapse_alone(report):
  found = report(
    lambda example, text: (
      f"{example.label.polarity}, 1.5, {example.label.emotions['moods']}"
    )
  )
  (warning,) = found["warnings"]
  assert "films, intensity: 5 of 5 predicted values are 1.5" in warning


def test_three_fields_are_read_from_the_slot_for_all_schemes(report, loaded):
  schema = loaded.schema.three_field()
  right = report(lambda example, text: text.write(example.label), schema=schema)
  assert right["warnings"] == []
  one = report(lambda example, text: "neutral, 0, anger", schema=schema)
  assert (
    "friends, emotion: 5 of 5 predicted values are 'anger'"
    in (one["warnings"][-1])
  )


def test_numbers_that_differ_by_next_to_nothing_are_a_collapse(loaded):
  films = [each for each in loaded.examples["test"] if each.corpus == "films"]

  def found(step):
    predictions = [
      Prediction(
        str(place),
        ParsedLabel({"intensity": 0.2 + step * place}, malformed=False),
        record=each,
      )
      for place, each in enumerate(films)
    ]
    scored = scoring.scored_values(predictions, loaded)
    corpora = scoring.score_corpora(predictions, scored, loaded)
    return collapse.collapse_report(predictions, corpora, {"films": ""})

  (same,) = found(1e-5)["warnings"]
  assert "films, intensity: 5 of 5 predicted values are 0.2; " in same
  assert found(1e-5)["entropy"] == {"intensity": 0}
  (near,) = found(4e-3)["warnings"]  # of a deviation of 1.3
  assert "the 5 predicted values lie between 0.2 and 0.22; " in near
  assert found(0.1)["warnings"] == []


def test_predictions_may_have_the_slots_of_their_corpus_alone(loaded):
  predictions = [
    Prediction("", ParsedLabel(fields, malformed=False), record=each)
    for each in loaded.examples["test"]
    for fields in [
      {"moods": each.emotion} if each.emotion else {"intensity": each.intensity}
    ]
  ]
  found = collapse.collapse_report(predictions, {}, {})
  assert set(found["entropy"]) == {"intensity", "moods"}
  assert found["entropy"]["intensity"] == pytest.approx(1.522, abs=1e-3)


def test_malformed_outputs_score_as_a_constant(report):
  """Different nonsense each time: the fallbacks are the constant."""
  numbers = iter(range(100))
  found = report(lambda example, text: f"nonsense {next(numbers)}")
  assert len(found["warnings"]) == 2
  assert found["distinct_share"] == 1
  assert "predicted values are None" in found["warnings"][0]


def test_a_constant_truth_asks_for_a_constant(report, loaded):
  first = loaded.examples["test"][0]
  found = report(lambda example, text: text.write(example.label), [first])
  assert found["warnings"] == []
