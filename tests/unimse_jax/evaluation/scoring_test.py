"""Scores corpus by corpus, and what stands in for malformed fields."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from unimse_jax.data import mixture
from unimse_jax.evaluation import scoring
from unimse_jax.labels import LabelText
from unimse_jax.prediction.prediction import Prediction


@pytest.fixture(scope="module")
def loaded(corpora):
  labels = str(corpora / "films_friends.jsonl")
  return mixture.load(str(corpora), ("films", "friends"), labels)


@pytest.fixture(scope="module")
def text(loaded) -> LabelText:
  return LabelText(loaded.schema)


def labelled(examples, text, outputs) -> list[Prediction]:
  return [
    Prediction(output, text.parse(output), record=example)
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
    f"positive, {example.intensity or 0}, nonsense" for example in examples
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


_MELD = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")


def meld_like(loaded, text, seed, scheme="meld"):
  """Random emotions of MELD's classes in the films: mixture, predictions."""
  rng = np.random.default_rng(seed)

  def rate(examples):
    own = [each for each in examples if each.corpus == "friends"]
    return [
      dataclasses.replace(each, emotion=str(rng.choice(_MELD)))
      for each in own * 9
    ]

  examples = {split: rate(each) for split, each in loaded.examples.items()}
  mixture = SimpleNamespace(
    corpora={"friends": SimpleNamespace(scheme_name=scheme)},
    examples=examples,
    emotion_classes=lambda name: _MELD,
  )
  parsed = text.parse("neutral, 0, joy")
  predictions = [
    Prediction(
      "",
      dataclasses.replace(
        parsed, fields={scheme: str(rng.choice([*_MELD[:5], "nonsense"]))}
      ),
      record=each,
    )
    for each in examples["test"]
  ]
  return mixture, predictions


@pytest.mark.parametrize("seed", range(3))
def test_six_classes_are_scikit_learns_on_what_is_not_neutral(
  loaded, text, seed
):
  mixture, predictions = meld_like(loaded, text, seed)
  found = scores(predictions, mixture)["friends"]
  six = found["six_classes"]
  pairs = [
    (each.parsed.fields["meld"], each.record.emotion) for each in predictions
  ]
  kept = [(said, true) for said, true in pairs if true != "neutral"]
  said, true = zip(*kept, strict=True)
  assert found["n_emotion"] == len(pairs) > len(kept) == six["n"]
  options = {"labels": _MELD[1:], "zero_division": 0}
  # float64 sums of a few dozen shares.
  assert six["acc"] == pytest.approx(accuracy_score(true, said), abs=1e-12)
  assert six["wf1"] == pytest.approx(
    f1_score(true, said, average="weighted", **options), abs=1e-12
  )
  assert six["macro_f1"] == pytest.approx(
    f1_score(true, said, average="macro", **options), abs=1e-12
  )
  train = [each.emotion for each in mixture.examples["train"]]
  majority = max(_MELD[1:], key=train.count)
  constant = [majority] * len(true)
  assert six["constant_emotion"]["acc"] == pytest.approx(
    accuracy_score(true, constant), abs=1e-12
  )
  assert six["constant_emotion"]["wf1"] == pytest.approx(
    f1_score(true, constant, average="weighted", **options), abs=1e-12
  )


def test_neutral_said_of_another_class_is_wrong(loaded, text):
  mixture, predictions = meld_like(loaded, text, 0)
  neutral = dataclasses.replace(
    predictions[0].parsed, fields={"meld": "neutral"}
  )
  predictions = [
    dataclasses.replace(each, parsed=neutral) for each in predictions
  ]
  found = scores(predictions, mixture)["friends"]
  assert found["acc"] > 0
  assert found["six_classes"]["acc"] == found["six_classes"]["wf1"] == 0


def test_only_meld_is_scored_without_neutral(loaded, text):
  mixture, predictions = meld_like(loaded, text, 0, scheme="iemocap")
  found = scores(predictions, mixture)["friends"]
  assert "wf1" in found and "six_classes" not in found


def test_a_split_of_neutral_utterances_has_no_six_classes(loaded, text):
  mixture, predictions = meld_like(loaded, text, 0)
  predictions = [
    each for each in predictions if each.record.emotion == "neutral"
  ]
  found = scores(predictions, mixture)["friends"]
  assert found["n_emotion"] and "six_classes" not in found
