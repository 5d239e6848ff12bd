"""Predictions as JSON lines, from features and from raw media."""

import json
import subprocess
import sys

import pytest

from unimse_jax.data.records import CorpusRecords
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run
from unimse_jax.prediction import Predictor, corpus


@pytest.fixture(scope="module")
def predictor(straight):
  return Predictor.from_workdir(straight)


def test_predictions_of_records_are_those_of_the_evaluation(
  straight, tiny_config, corpora, tmp_path
):
  output = tmp_path / "out" / "predictions.jsonl"
  predictor = Predictor.from_workdir(straight)
  count = corpus.predict_records(
    predictor, str(corpora), "friends", "test", str(output)
  )
  rows = [json.loads(line) for line in output.read_text().splitlines()]
  assert count == corpus.Count(5, 0)
  assert len(rows) == 5
  evaluation, _, _ = evaluation_run.evaluate(tiny_config(), straight, "test")
  own = [
    each for each in evaluation.predictions if each.record.corpus == "friends"
  ]
  assert [row["output"] for row in rows] == [each.output for each in own]
  assert [row["id"] for row in rows] == [
    record.id for record in CorpusRecords(str(corpora), "friends").texts["test"]
  ]


def test_features_of_other_settings_are_refused(
  predictor, tmp_path, corpus_writer
):
  corpus_writer(tmp_path, "films", image_size=64)
  output = tmp_path / "predictions.jsonl"
  with pytest.raises(InputError, match="extraction settings"):
    corpus.predict_records(
      predictor, str(tmp_path), "films", "test", str(output)
    )
  assert not output.exists()


def test_records_of_a_corpus_that_was_not_trained_on_are_noted(
  predictor, tmp_path, corpus_writer
):
  corpus_writer(tmp_path, "plays")
  output = tmp_path / "predictions.jsonl"
  corpus.predict_records(predictor, str(tmp_path), "plays", "test", str(output))
  rows = [json.loads(line) for line in output.read_text().splitlines()]
  note = (
    "corpus: the run was not trained on plays; its texts are read like those "
    "of no corpus"
  )
  assert [row["notes"] for row in rows] == [[note]] * 5
  assert [row["error"] for row in rows] == [None] * 5


@pytest.mark.parametrize(
  ("flags", "named"),
  [
    ([], "one of --input, --media and --features"),
    (["--input=a", "--features=b"], "one of --input, --media and --f"),
    (["--input=a", "--media=b"], "one of --input, --media and --features"),
    (["--features=b"], "--corpus"),
    (["--input=a", "--corpus=b"], "--corpus with --features or --media only"),
    (["--input=a", "--timeline=b.html"], "--timeline with --media only"),
    (["--features=a", "--corpus=b", "--asr=c"], "--asr with --media only"),
    (["--media=a", "--timeline=b"], "a file that ends in .html, found b"),
    (["--media=a", "--transcript=b", "--asr=c"], "of --transcript and --asr"),
    (["--input=/gone.jsonl"], "config.json"),
    (["--input=a", "--jobs=0"], "--jobs=0"),
    (["--input=a", "--devices=-1"], "--devices=-1"),
    (["--input=a", "--batch_size=0"], "--batch_size=0"),
    (["--input=predictions.jsonl"], "found that of --input, predictions.js"),
    (["--input=a", "--output=a"], "--output: expected a file of its own"),
    (["--features=a", "--corpus=b", "--output=a/../a"], "that of --features"),
    (["--media=~/a", "--output=~/a"], "found that of --media"),
    (["--media=a", "--transcript=b", "--output=b"], "that of --transcript"),
    (["--media=a", "--output=b.html", "--timeline=b.html"], "of --output"),
    (["--media=b.html", "--timeline=b.html"], "--timeline: expected a file"),
    (["--input=a", "--output=/"], "found a directory, /; choose another"),
    (["--input=-", "--output=-"], "config.json"),
  ],
)
def test_flags_that_do_not_go_together_end_with_status_2(
  tmp_path, flags, named
):
  done = subprocess.run(
    [sys.executable, "-m", "unimse_jax.predict", f"--workdir={tmp_path}"]
    + flags,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.returncode == 2
  assert named in done.stderr
  assert "Traceback" not in done.stderr


def test_an_output_that_cannot_be_written_is_named(
  predictor, corpora, tmp_path
):
  (tmp_path / "file").write_text("")
  output = str(tmp_path / "file" / "predictions.jsonl")
  with pytest.raises(InputError, match="--output"):
    corpus.predict_records(predictor, str(corpora), "films", "test", output)
