"""An exported model is the trained one, bit for bit, or is not there."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run, results
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.pipeline import packaged, preparation
from unimse_jax.prediction import Clip, Predictor, model_card, package
from unimse_jax.rundir import RunDir


@pytest.fixture(scope="module")
def directory(straight, tiny_config, tmp_path_factory):
  run = evaluation_run.evaluate(tiny_config(), straight, "test")
  results.write(RunDir(straight), "test", *run)
  out = tmp_path_factory.mktemp("export") / "out"
  package.write(straight, out, overwrite=False)
  return out


def test_parameters_come_back_bit_for_bit(straight, directory):
  config = RunDir(straight).read_config()
  opened = pipeline_lib.open_pipeline(config, RunDir(straight))
  mesh = make_mesh(devices=1)
  expected, _ = pipeline_lib.restore_params(opened, mesh, RunDir(straight))
  found = packaged.read_params(directory)
  assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {
    np.dtype("float32")
  }
  jax.tree.map(np.testing.assert_array_equal, dict(expected), found)


def test_predictions_are_the_workdirs(straight, directory):
  rng = np.random.default_rng(0)
  clips = [
    Clip(text=text, audio=rng.standard_normal((3, 4)))
    for text in ("a great film", "an awful film", "so")
  ]
  expected = Predictor.from_workdir(straight).predict(clips)
  assert Predictor.from_pretrained(directory).predict(clips) == expected


def test_the_t5_is_torchs_too(directory):
  import torch
  from transformers import AutoTokenizer, T5ForConditionalGeneration

  opened = packaged.load(directory)
  params = packaged.read_params(directory)
  theirs = T5ForConditionalGeneration.from_pretrained(directory).eval()
  tokens = np.random.default_rng(0).integers(3, opened.tokenizer.size, (2, 9))
  with torch.no_grad():
    expected = theirs(
      input_ids=torch.tensor(tokens), decoder_input_ids=torch.tensor(tokens)
    ).logits.numpy()
  from unimse_jax.models import T5

  found = T5(opened.model.config.t5).apply(
    {"params": params["t5"]}, tokens, tokens > 0, tokens
  )
  # Float32 sums in another order.
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
  hugging = AutoTokenizer.from_pretrained(directory)
  for text in ("positive, 1.6, joy", "a great film number 3"):
    assert hugging(text).input_ids == [*opened.tokenizer.encode(text), 1]


def test_the_card_has_scores_with_n_and_seed(directory):
  import yaml

  card = (directory / "README.md").read_text()
  matter = yaml.safe_load(card.split("---")[1])
  entries = matter["model-index"][0]["results"]
  assert [each["dataset"]["name"] for each in entries] == ["films", "friends"]
  assert {each["type"] for each in entries[0]["metrics"]} >= {"mae"}
  assert "| films | test | 5 | 0 |" in card
  for part in ("Intended use", "AI Act", "reads text\n  only", "films"):
    assert part in card


def test_a_run_without_results_says_so(straight):
  opened = pipeline_lib.open_pipeline(
    RunDir(straight).read_config(), RunDir(straight)
  )
  source = {"checkpoint": "best", "step": 4}
  card = model_card.write(opened, {}, source, "DIR")
  assert "Not evaluated" in card
  assert "model-index" not in card


@pytest.mark.parametrize(
  ("changes", "told"),
  [
    ({}, "- T5: from random weights.\n"),
    ({"t5.pretrained": "google-t5/t5-base"}, "- T5: google-t5/t5-base.\n"),
    ({"t5.warm_start": "sentences"}, "- T5: from random weights, which first"),
    (
      # t5.pretrained is not read beside it.
      {"train.init_from": "me/first", "t5.pretrained": "google-t5/t5-base"},
      "- Trained on from me/first, whose training data come on top",
    ),
  ],
)
def test_a_card_says_what_training_started_from(
  straight, tiny_config, changes, told
):
  opened = pipeline_lib.open_pipeline(
    RunDir(straight).read_config(), RunDir(straight)
  )
  opened = dataclasses.replace(opened, config=tiny_config(changes))
  source = {"checkpoint": "best", "step": 4}
  card = model_card.write(opened, {}, source, "DIR")
  assert told in card
  assert ("T5: " in card) == ("train.init_from" not in changes)


def test_a_card_says_of_how_many_utterances_each_score_is(straight, directory):
  opened = pipeline_lib.open_pipeline(
    RunDir(straight).read_config(), RunDir(straight)
  )
  stored = RunDir(straight).results("test")
  stored["corpora"]["films"] |= {"n": 3, "n_intensity": 5, "n_emotion": 3}
  source = {"checkpoint": "best", "step": 4}
  card = model_card.write(opened, {"test": stored}, source, "DIR")
  assert "| films | test | 5 (intensity), 3 (emotion) |" in card
  assert "| friends | test | 5 |" in card


@pytest.fixture
def evaluated(straight, directory, tmp_path):
  """A copy of the evaluated run, and its test results to change there."""
  run_dir = RunDir(shutil.copytree(straight, tmp_path / "run"))

  def change(edit) -> RunDir:
    stored = run_dir.results("test")
    edit(stored)
    run_dir.results_file("test").write_text(json.dumps(stored))
    return run_dir

  return change


@pytest.mark.parametrize(
  ("section", "changes", "told"),
  [
    ("selection", {"step": 6}, "of step 6, and step 4 is packaged"),
    ("decoding", {"beams": 2}, "of another decoding than that of the packaged"),
    ("decoding", {"batch_size": 3}, None),
    ("decoding", {"field_of_a_newer_version": 3}, "of another decoding"),
  ],
)
def test_scores_of_another_step_or_decoding_are_left_out(
  evaluated, tmp_path, caplog, section, changes, told
):
  def edit(stored):
    places = stored["provenance"]["config"] | {"selection": stored["selection"]}
    places[section] |= changes

  run_dir = evaluated(edit)
  with caplog.at_level("WARNING"):
    package.write(run_dir.path, tmp_path / "out", overwrite=False)
  card = (tmp_path / "out/README.md").read_text()
  if told is None:
    assert "| films | test | 5 | 0 |" in card
    assert not caplog.records
    return
  assert "Not evaluated: the run's workdir had no results of this" in card
  assert "model-index" not in card
  command = f"unimse_jax.eval --workdir {run_dir.path} --split test`"
  assert told in caplog.text
  assert command in caplog.text


def test_who_saw_test_labels_is_said_before_the_scores(evaluated, tmp_path):
  """By the command, which is what knows of it."""

  def edit(stored):
    stored["selection"]["banner"] = "SELECTED ON THE TEST SPLIT: too good."
    stored["provenance"]["data"]["labels_donors"] = "all_splits"

  run_dir = evaluated(edit)
  stored = run_dir.results("test")
  run_dir.results_file("validation").write_text(json.dumps(stored))
  done = subprocess.run(
    [sys.executable, "-m", "unimse_jax.package", f"--workdir={run_dir.path}"]
    + [f"--out={tmp_path / 'out'}"],
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr
  card = (tmp_path / "out/README.md").read_text()
  before, scores = card.split("| films | test | 5 | 0 |")
  for sentence in ("SELECTED ON THE TEST", "labels completed from all splits"):
    assert before.count(f"**Scores on test and validation: {sentence}") == 1
    assert sentence not in scores
  # The hub's leaderboards, which are made of it, show no note.
  assert "model-index" not in card


def test_an_interrupted_export_leaves_nothing(straight, tmp_path, monkeypatch):
  def fail(*_):
    raise KeyboardInterrupt

  monkeypatch.setattr(package.model_card, "write", fail)
  with pytest.raises(KeyboardInterrupt):
    package.write(straight, tmp_path / "out", overwrite=False)
  assert list(tmp_path.iterdir()) == []


def test_everybody_may_read_what_is_given_away(straight, tmp_path):
  before = os.umask(0o022)
  try:
    package.write(straight, tmp_path / "out", overwrite=False)
  finally:
    os.umask(before)
  files = [path for path in tmp_path.rglob("*") if path.is_file()]
  assert len(files) > 9
  assert {path.stat().st_mode & 0o777 for path in files} == {0o644}


def test_an_export_is_replaced_only_if_asked(straight, tmp_path):
  out = tmp_path / "out"
  package.write(straight, out, overwrite=False)
  with pytest.raises(InputError, match="--overwrite"):
    package.write(straight, out, overwrite=False)
  (out / "README.md").write_text("mine")
  package.write(straight, out, overwrite=True)
  assert (out / "README.md").read_text() != "mine"
  assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_something_else_is_never_replaced(straight, tmp_path):
  (tmp_path / "thesis.tex").write_text("years of work")
  with pytest.raises(InputError, match="never replaced"):
    package.write(straight, tmp_path, overwrite=True)
  assert (tmp_path / "thesis.tex").is_file()


def test_a_damaged_export_is_refused_and_an_edited_card_is_not(
  straight, tmp_path
):
  out = tmp_path / "out"
  package.write(straight, out, overwrite=False)
  (out / "README.md").write_text("edited")
  packaged.load(out)
  file = out / package.FUSION_FILE
  content = bytearray(file.read_bytes())
  content[-1] ^= 1
  file.write_bytes(content)
  with pytest.raises(InputError, match="fusion.safetensors"):
    packaged.load(out)
  assert "fusion.safetensors" in json.dumps(
    json.loads((out / package.MANIFEST).read_text())
  )


def test_a_folder_that_is_no_export_is_refused(tmp_path):
  with pytest.raises(InputError, match=r"export\.json"):
    packaged.load(tmp_path)


def test_it_is_no_t5_to_train_from(directory, tiny_config):
  """Its T5 alone would be taken, and what was learnt beside it dropped."""
  config = tiny_config({"t5.pretrained": str(directory)})
  with pytest.raises(InputError, match="found a trained UniMSE in") as caught:
    preparation.check_inputs(config)
  message = str(caught.value)
  assert f"unimse_jax.predict --model {directory}" in message
  assert "copy the directory without its folder unimse" in message


def test_its_t5_is_one_to_train_from_without_the_rest(
  directory, tiny_config, tmp_path
):
  copy = tmp_path / "t5"
  shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("unimse"))
  preparation.check_inputs(tiny_config({"t5.pretrained": str(copy)}))


@pytest.mark.parametrize(
  "content", ["", "[]", "{}", '{"files": []}', "[" * 9999]
)
def test_a_manifest_of_another_form_is_one_message(tmp_path, content):
  file = tmp_path / package.MANIFEST
  file.parent.mkdir()
  file.write_text(content)
  with pytest.raises(InputError, match="export.json, found .*again") as caught:
    Predictor.from_pretrained(tmp_path)
  assert "\n" not in str(caught.value)


def test_a_package_of_a_newer_version_is_refused(directory, tmp_path):
  newer = shutil.copytree(directory, tmp_path / "newer")
  manifest = newer / packaged.MANIFEST
  content = json.loads(manifest.read_text())
  content["version"] += 1
  manifest.write_text(json.dumps(content))
  with pytest.raises(InputError, match="found 2: a newer version of unimse"):
    packaged.load(newer)
