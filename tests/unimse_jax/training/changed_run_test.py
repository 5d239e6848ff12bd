"""A run whose files changed, got lost or broke is refused, not guessed at."""

import json
import pathlib
import shutil

import pytest

from unimse_jax import config as config_lib
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run
from unimse_jax.prediction import Predictor
from unimse_jax.rundir import RunDir
from unimse_jax.training import trainer


@pytest.fixture
def copy(straight, tmp_path):
  return RunDir(pathlib.Path(shutil.copytree(straight, tmp_path / "copy")))


@pytest.mark.parametrize("name", ["tokenizer_file", "features_file"])
def test_a_changed_file_of_the_run_is_refused(copy, tiny_config, name):
  file = getattr(copy, name)
  data = bytearray(file.read_bytes())
  data[len(data) // 2] ^= 1
  file.write_bytes(data)
  longer = tiny_config({"train.epochs": 3})
  with pytest.raises(InputError, match=f"{file.name} changed since"):
    trainer.train(longer, copy.path)
  with pytest.raises(InputError, match=f"{file.name} changed since"):
    evaluation_run.evaluate(tiny_config(), copy.path, "validation")
  with pytest.raises(InputError, match=f"{file.name} changed since"):
    Predictor.from_workdir(copy.path)


def test_a_config_changed_in_the_file_too_is_refused(copy, tiny_config):
  other = tiny_config({"seed": 7})
  copy.config_file.write_text(json.dumps(config_lib.to_dict(other)))
  with pytest.raises(InputError, match="config.json changed since"):
    evaluation_run.evaluate(other, copy.path, "validation")


def test_a_longer_training_does_not_pass_for_a_shorter_one(copy, tiny_config):
  config = copy.config_file.read_bytes()
  with pytest.raises(InputError, match="at least the 2 that the run"):
    trainer.train(tiny_config({"train.epochs": 1}), copy.path)
  assert copy.config_file.read_bytes() == config


def test_evaluations_that_are_compared_decode_alike(copy, tiny_config):
  other = {"decoding.length_penalty": 0.5, "decoding.beams": 2}
  longer = tiny_config({"train.epochs": 3, **other})
  with pytest.raises(InputError, match="beams: 1 before, now 2") as error:
    trainer.train(longer, copy.path)
  assert "length_penalty: 0.0 before, now 0.5" in str(error.value)
  # A training that has ended chooses nothing any more, and may be scored anew.
  assert trainer.train(tiny_config(other), copy.path).finished
  evaluation_run.evaluate(tiny_config(other), copy.path, "validation")


def test_a_run_without_its_config_is_neither_resumed_nor_cleared(
  copy, tiny_config
):
  copy.config_file.unlink()
  before = sorted(path for path in copy.path.rglob("*") if path.is_file())
  with pytest.raises(InputError, match="config.json beside spiece.model"):
    trainer.train(tiny_config(), copy.path)
  after = {path for path in copy.path.rglob("*") if path.is_file()}
  assert after - {copy.path / ".lock"} == set(before) - {copy.path / ".lock"}


def test_a_run_whose_checkpoints_all_broke_does_not_start_afresh(
  copy, tiny_config
):
  for manifest in copy.checkpoints.rglob("manifest.json"):
    manifest.unlink()
  lines = copy.metrics_file.read_bytes()
  for _ in range(2):  # the first time sets them aside
    with pytest.raises(InputError, match=r"found damaged ones alone \("):
      trainer.train(tiny_config({"train.epochs": 3}), copy.path)
  assert copy.metrics_file.read_bytes() == lines


def test_the_best_that_is_gone_is_named_and_a_step_can_be_asked_for(
  copy, tiny_config, caplog
):
  config = tiny_config()
  _, selected, _ = evaluation_run.evaluate(config, copy.path, "validation")
  assert "lost_best_step" not in selected
  with copy.open_checkpoints(read_only=True) as saved:
    steps, best = saved.steps(), saved.best_step()
  assert selected["step"] == best
  other = steps[-1]
  assert other != best
  _, asked, _ = evaluation_run.evaluate(
    config, copy.path, "validation", step=other
  )
  assert (asked["checkpoint"], asked["step"]) == ("chosen", other)
  (copy.checkpoints / str(best) / "manifest.json").unlink()
  # Two epochs teach this model nothing: let the first evaluation be better.
  lines = copy.metrics()
  for line in lines:
    line |= {"skill": 0.5} if line["step"] == best else {}
  copy.metrics_file.write_text("".join(json.dumps(x) + "\n" for x in lines))
  _, left, _ = evaluation_run.evaluate(config, copy.path, "validation")
  assert (left["step"], left["lost_best_step"]) == (other, best)
  assert f"best evaluation was at step {best}" in caplog.text
