"""Scores corpus by corpus, and what stands in for malformed fields."""

import pytest

from unimse_jax.data import mixture
from unimse_jax.evaluation import scoring
from unimse_jax.evaluation.scoring import LabelledExample
from unimse_jax.labels import LabelText
from unimse_jax.prediction.labeller import Labelled


@pytest.fixture(scope="module")
def loaded(corpora):
  labels = str(corpora / "films_friends.jsonl")
  return mixture.load(str(corpora), ("films", "friends"), labels)


@pytest.fixture(scope="module")
def text(loaded) -> LabelText:
  return LabelText(loaded.schema)


def labelled(examples, text, outputs) -> list[LabelledExample]:
  return [
    LabelledExample(example, Labelled(output, text.parse(output), {}))
    for example, output in zip(examples, outputs, strict=True)
  ]


def scores(predictions, mixture_) -> dict:
  values = scoring.scored_values(predictions, mixture_)
  return scoring.score_corpora(predictions, values, mixture_)


def test_fallbacks_are_the_train_median_and_the_most_frequent_class(loaded):
  train = loaded.examples["train"]
  films = [each for each in train if each.corpus == "films"]
  friends = [each for each in train if each.corpus == "friends"]
  # 1.6, -1.2 and 0 seven times each.
  assert scoring.fallbacks(films) == (0.0, "")
  # Seven of each class: the first by name.
  assert scoring.fallbacks(friends) == (0.0, "anger")


def test_perfect_outputs_score_perfectly(loaded, text):
  examples = loaded.examples["test"]
  outputs = [text.write(example.label) for example in examples]
  found = scores(labelled(examples, text, outputs), loaded)
  assert found["films"]["mae"] == pytest.approx(0, abs=1e-6)
  assert found["films"]["n_intensity"] == 5
  assert found["films"]["n_emotion"] == 0
  assert found["friends"]["wf1"] == 1
  assert found["friends"]["n_emotion"] == 5
  assert "mae" not in found["friends"]
  assert found["films"]["malformed"] == found["friends"]["malformed"] == 0


def test_malformed_fields_score_as_the_constant_predictor(loaded, text):
  examples = loaded.examples["test"]
  outputs = ["positive"] * len(examples)
  found = scores(labelled(examples, text, outputs), loaded)
  films, friends = found["films"], found["friends"]
  assert films["mae"] == films["constant_sentiment"]["mae"]
  assert friends["acc"] == friends["constant_emotion"]["acc"]
  assert films["malformed"] == 5


def test_a_good_field_of_a_malformed_text_still_counts(loaded, text):
  examples = loaded.examples["test"]
  outputs = [
    f"positive, {example.record.intensity or 0}, nonsense"
    for example in examples
  ]
  found = scores(labelled(examples, text, outputs), loaded)
  assert found["films"]["mae"] == pytest.approx(0, abs=1e-6)
  assert found["films"]["malformed"] == 5


def test_a_corpus_without_examples_has_no_scores(loaded, text):
  examples = [
    each for each in loaded.examples["test"] if each.corpus == "films"
  ]
  outputs = ["positive, 1, joy"] * len(examples)
  found = scores(labelled(examples, text, outputs), loaded)
  assert set(found) == {"films"}


def test_the_decoding_report_counts(loaded, text):
  examples = loaded.examples["test"][:4]
  outputs = ["positive, 1, joy", "positive, 1, joy", "x", ""]
  assert scoring.decoding_report(labelled(examples, text, outputs)) == {
    "n": 4,
    "malformed": 2,
    "malformed_rate": 0.5,
    "malformed_outputs": 2,
    "distinct_outputs": 3,
  }


def test_targets_are_what_the_corpus_annotates(loaded):
  found = {
    (each.corpus, each.record.id): scoring.targets(each)
    for each in loaded.examples["test"]
  }
  intensity = pytest.approx(1.6)
  assert found["films", "test0"] == {
    "polarity": "positive",
    "intensity": intensity,
    "emotion": None,
  }
  assert found["friends", "test1"] == {
    "polarity": "negative",
    "intensity": None,
    "emotion": "anger",
  }
