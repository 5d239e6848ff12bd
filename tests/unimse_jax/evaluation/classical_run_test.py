"""Classical models of the tiny corpora, scored as runs are."""

import dataclasses
import json
import types

import numpy as np
import pytest

from unimse_jax.data import mixture as mixture_lib
from unimse_jax.errors import InputError
from unimse_jax.evaluation import classical, classical_run
from unimse_jax.rivals import CLASSICAL
from unimse_jax.training import trainer


def test_mel_statistics_of_a_known_spectrogram():
  mel = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
  found = classical.mel_statistics(mel)
  deviation = np.sqrt(8 / 3)
  expected = [2, 1, deviation, 0, 0, 0, 3.6, 1, 0.4, 1]
  np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("system", CLASSICAL)
def test_each_baseline_answers_every_utterance(tiny_config, system, tmp_path):
  config = tiny_config({"rival.system": system})
  classical_run.run(config, tmp_path, "test")
  stored = json.loads((tmp_path / "results/test.json").read_text())
  assert stored["corpora"]["films"]["n_intensity"] == 5
  assert stored["corpora"]["friends"]["n_emotion"] == 5
  assert stored["provenance"]["config"]["rival"]["system"] == system
  assert stored["corpora"]["films"]["malformed"] == 0
  assert stored["test_openings"] == 1
  if system == "tfidf":  # the word says it all
    assert stored["corpora"]["friends"]["acc"] == 1.0
    assert stored["corpora"]["films"]["mae"] < 0.8


def test_without_the_modality_the_constant_answers(tiny_config):
  data = tiny_config().data
  mixture = mixture_lib.load(data.dir, data.corpora, data.labels)
  rows = classical.predict("mel_svm", mixture, "test")
  films = [each for each in mixture.examples["test"] if each.corpus == "films"]
  absent = [each for each in films if not each.audio_frames]
  assert absent
  median = np.median(
    [
      each.intensity
      for each in mixture.examples["train"]
      if each.corpus == "films"
    ]
  )
  for each in absent:
    assert rows["films", each.id]["intensity"] == median
  assert len(rows) == len(mixture.examples["test"])


@pytest.mark.parametrize("system", ["tfidf", "late_fusion"])
def test_a_corpus_without_words_is_answered(tiny_config, system):
  data = tiny_config().data
  mixture = mixture_lib.load(data.dir, data.corpora, data.labels)
  for examples in mixture.examples.values():
    examples[:] = [dataclasses.replace(each, text=" ") for each in examples]
  rows = classical.predict(system, mixture, "test")
  assert len(rows) == len(mixture.examples["test"])
  if system == "tfidf":
    answers = {row.get("emotion") for row in rows.values()} - {None}
    assert len(answers) == 1


def test_late_fusion_is_not_scored_by_what_calibrates_it(tiny_config, tmp_path):
  config = tiny_config({"rival.system": "late_fusion"})
  with pytest.raises(InputError, match="by which late_fusion is calibrated"):
    classical_run.run(config, tmp_path / "run", "validation")
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
  ("targets", "calibrates"),
  [
    (["joy", "fear"] * 2, True),
    (["joy", "fear", "joy"], False),
    (["joy", "joy"], False),
    (["joy", "fear", "calm"] * 2, False),  # the model never saw calm
  ],
)
def test_a_classifier_is_calibrated_by_the_classes_that_it_knows(
  targets, calibrates
):
  model = types.SimpleNamespace(classes_=np.array(["fear", "joy"]))
  assert classical._calibrates(model, targets, "emotion") == calibrates


def test_trainer_and_baseline_name_each_other(tiny_config, tmp_path):
  with pytest.raises(InputError, match=r"tfidf is not trained by steps; fit"):
    trainer.train(tiny_config({"rival.system": "tfidf"}), tmp_path / "run")
  with pytest.raises(InputError, match="trains the others"):
    config = tiny_config({"rival.system": "early_fusion"})
    classical_run.run(config, tmp_path / "other", "test")
