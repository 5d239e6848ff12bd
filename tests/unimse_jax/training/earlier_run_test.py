"""A run of an earlier version is evaluated, packaged and trained on as it was.

The run is one of today without the fields that came later, in its config and in
what its checkpoints say of it: what an earlier version would have left.
"""

import dataclasses
import hashlib
import json
import pathlib
import shutil

import jax
import numpy as np
import pytest

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.checkpoints import integrity
from unimse_jax.config import FIELDS
from unimse_jax.config.paths import flatten, nest
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run
from unimse_jax.parallel.mesh import make_mesh
from unimse_jax.pipeline import packaged, starting_model
from unimse_jax.prediction import Clip, Predictor, package
from unimse_jax.rundir import RunDir, config_file
from unimse_jax.training import trainer

_CAME_LATER = {
  path: each.before
  for path, each in FIELDS.items()
  if each.before is not dataclasses.MISSING
}
# Fields of the tests' config that are not as they were done before they came.
_AS_BEFORE = {"loss.heads": 0.0, "decoding.emotion": "written"}
_CLIPS = [Clip(text="a great film"), Clip(text="an awful film")]


@pytest.fixture(scope="module")
def tiny_config(tiny_config):
  return lambda changes=None: tiny_config(_AS_BEFORE | (changes or {}))


@pytest.fixture(scope="module")
def straight(tiny_config, tmp_path_factory) -> pathlib.Path:
  workdir = tmp_path_factory.mktemp("before")
  assert trainer.train(tiny_config(), workdir).finished
  return workdir


def without_later(values: dict) -> dict:
  """Path -> value of a config, but for the fields that came later."""
  fields = flatten(values)
  for path, before in json.loads(json.dumps(_CAME_LATER)).items():
    assert fields.pop(path) == before
  return fields


def make_older(run_dir: RunDir) -> None:
  """Takes what came later off the config and off what checkpoints say."""
  fields = without_later(json.loads(run_dir.config_file.read_text()))
  run_dir.config_file.write_text(json.dumps(nest(fields)))
  fixed = {path: it for path, it in fields.items() if not FIELDS[path].free}
  digest = hashlib.sha256(json.dumps(fixed, sort_keys=True).encode())
  for step in run_dir.checkpoints.glob("[0-9]*"):
    record = integrity.read_manifest(step)
    record["metadata"]["run"]["config.json"] = digest.hexdigest()
    integrity.seal(step, {k: v for k, v in record.items() if k != "files"})


@pytest.fixture
def older(straight, tmp_path) -> RunDir:
  run_dir = RunDir(pathlib.Path(shutil.copytree(straight, tmp_path / "older")))
  make_older(run_dir)
  return run_dir


def params(run_dir: RunDir):
  opened = pipeline_lib.open_pipeline(run_dir.read_config(), run_dir)
  mesh = make_mesh(devices=1)
  return pipeline_lib.restore_params(opened, mesh, run_dir)[0]


def test_it_is_evaluated_as_the_run_of_today(straight, older, tiny_config):
  config = tiny_config()
  assert older.read_config() == RunDir(straight).read_config() == config
  today, _, _ = evaluation_run.evaluate(config, straight, "validation")
  found, _, _ = evaluation_run.evaluate(config, older.path, "validation")
  assert found.corpora == today.corpora
  assert found.predictions == today.predictions


def test_it_predicts_is_packaged_and_started_from(straight, older, tmp_path):
  expected = Predictor.from_workdir(straight).predict(_CLIPS)
  assert Predictor.from_workdir(older.path).predict(_CLIPS) == expected
  package.write(older.path, tmp_path / "package", overwrite=False)
  own = RunDir(tmp_path / "package" / packaged.OWN).config_file
  assert own.read_bytes() == older.config_file.read_bytes()
  opened = Predictor.from_pretrained(tmp_path / "package")
  assert opened.predict(_CLIPS) == expected
  for source in (older.path, tmp_path / "package"):
    start = starting_model.open_model(str(source))
    found, _ = start.read(make_mesh(devices=1))
    jax.tree.map(np.testing.assert_array_equal, dict(found), params(older))


def test_training_goes_on_as_that_of_today(
  straight, older, tiny_config, tmp_path
):
  today = RunDir(pathlib.Path(shutil.copytree(straight, tmp_path / "today")))
  longer = tiny_config({"train.epochs": 3})
  for run_dir in (today, older):
    assert trainer.train(longer, run_dir.path).step == 12
  lines = [run_dir.metrics_file.read_bytes() for run_dir in (today, older)]
  assert lines[0] == lines[1]
  jax.tree.map(np.testing.assert_array_equal, params(today), params(older))
  # Old and new checkpoints are of one run, and it still is the older one.
  assert "train.average" in config_file.read(older.config_file).added
  older.check_unchanged(longer)


def test_a_field_that_was_always_there_cannot_be_taken_away(older):
  values = json.loads(older.config_file.read_text())
  del values["model"]["pmf_layers"]
  older.config_file.write_text(json.dumps(values))
  with pytest.raises(InputError, match=r"expected model\.pmf_layers in"):
    Predictor.from_workdir(older.path)


def test_a_field_taken_from_a_run_of_today_is_a_changed_config(
  straight, tmp_path
):
  run_dir = RunDir(pathlib.Path(shutil.copytree(straight, tmp_path / "run")))
  values = json.loads(run_dir.config_file.read_text())
  del values["train"]["average"]
  run_dir.config_file.write_text(json.dumps(values))
  with pytest.raises(InputError, match="config.json changed since"):
    Predictor.from_workdir(run_dir.path)


def test_results_of_an_older_run_are_not_made_again(older, tiny_config):
  config = tiny_config()
  run = evaluation_run.evaluate(config, older.path, "validation")
  evaluation_run.write(config, older.path, "validation", run)
  file = older.results_file("validation")
  results = json.loads(file.read_text())
  source = results["provenance"]
  source["config"] = nest(without_later(source["config"]))
  file.write_text(json.dumps(results))
  assert older.is_evaluated("validation", config)
  assert not older.is_evaluated("validation", tiny_config({"seed": 1}))


def test_emotions_are_not_adjusted_by_frequencies_that_a_run_lacks(older):
  content = json.loads(older.model_file.read_text())
  del content["class_counts"]
  older.model_file.write_text(json.dumps(content))
  for step in older.checkpoints.glob("[0-9]*"):
    shutil.rmtree(step)  # they know the model file's hash
  config = older.read_config()
  assert pipeline_lib.open_pipeline(config, older).class_counts == {}
  decoding = dataclasses.replace(config.decoding, logit_adjustment=1.0)
  adjusted = dataclasses.replace(config, decoding=decoding)
  with pytest.raises(InputError, match="expected class_counts in"):
    pipeline_lib.open_pipeline(adjusted, older)
