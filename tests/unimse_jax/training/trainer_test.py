"""Killed and resumed runs end as uninterrupted ones, to the bit."""

import hashlib
import json
import pathlib
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from unimse_jax import pipeline as pipeline_lib
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run, results
from unimse_jax.pipeline import preparation
from unimse_jax.pipeline.mesh import config_mesh
from unimse_jax.rundir import RunDir
from unimse_jax.training import assembly, trainer

_ROOT = pathlib.Path(__file__).parents[3]
# `train` as the command runs it, but it is hit by a signal at a given step,
# and computes as these tests do (see the conftests).
_SCRIPT = """
import os, runpy, sys
import jax
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_disable_most_optimizations", True)
from unimse_jax.rundir.metrics import MetricWriter
number, step, *sys.argv = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[2:]
write = MetricWriter.write
def write_and_die(self, at, split, *rest):
  write(self, at, split, *rest)
  if at == step and split == "train":
    os.kill(os.getpid(), number)
MetricWriter.write = write_and_die
runpy.run_module("unimse_jax.train", run_name="__main__")
"""


def train_until(
  step: int, number: signal.Signals, workdir: pathlib.Path, config_file
) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, "-c", _SCRIPT, str(int(number)), str(step)]
    + ["--config", str(config_file), "--workdir", str(workdir)],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    timeout=300,
  )


def last_state(config, workdir: pathlib.Path):
  """The whole state of the newest checkpoint: parameters and moments."""
  mesh = config_mesh(config)
  opened = pipeline_lib.prepare_run(config, RunDir(workdir))
  parts = assembly.assemble(
    config,
    opened.pipeline.model,
    opened.pipeline.abstract_params(),
    mesh,
    total_steps=8,
  )
  with RunDir(workdir).open_checkpoints(read_only=True) as saved:
    restored = saved.restore(parts.abstract_state)
    return restored.step, restored.state, saved.best_step()


def test_killed_twice_and_stopped_once_is_bit_identical(
  straight, tiny_config, config_file, tmp_path
):
  workdir = tmp_path / "run"
  # The first kill is before any checkpoint, the second after an evaluation.
  for step in (2, 5):
    done = train_until(step, signal.SIGKILL, workdir, config_file)
    assert done.returncode == -signal.SIGKILL, done.stderr
  # Hit at step 6, it takes the step that it is at and stops.
  done = train_until(6, signal.SIGTERM, workdir, config_file)
  assert done.returncode == 143, done.stderr
  assert "Stopped and saved at step 7 of 8" in done.stdout
  assert last_state(tiny_config(), workdir)[0] == 7
  outcome = trainer.train(tiny_config(), workdir)
  assert outcome.finished

  expected = last_state(tiny_config(), straight)
  found = last_state(tiny_config(), workdir)
  assert found[0] == expected[0] == 8
  assert found[2] == expected[2]  # the best step
  jax.tree.map(np.testing.assert_array_equal, found[1], expected[1])
  for name in ("metrics.jsonl", "config.json", "features.npz", "model.json"):
    content = (workdir / name).read_bytes()
    assert content == (straight / name).read_bytes(), name


def test_training_learns(straight):
  lines = [
    json.loads(line)
    for line in (straight / "metrics.jsonl").read_text().splitlines()
  ]
  losses = [line["nll"] for line in lines if line["split"] == "train"]
  assert len(losses) == 8
  assert losses[-1] < losses[0] - 0.5
  evaluated = [line["step"] for line in lines if line["split"] == "validation"]
  assert evaluated == [4, 8]
  assert set(lines[-1]) >= {"films/mae", "friends/wf1", "malformed_rate"}


def test_most_of_what_the_encoder_reads_are_tokens(straight):
  """One text a row would leave most places of rows of 64 tokens empty."""
  lines = map(json.loads, (straight / "metrics.jsonl").open())
  shares = [line["real_tokens"] for line in lines if line["split"] == "train"]
  assert len(shares) == 8
  assert 0.7 < min(shares) <= max(shares) <= 1


def test_running_a_finished_run_again_changes_nothing(straight, tiny_config):
  before = (straight / "metrics.jsonl").read_bytes()
  outcome = trainer.train(tiny_config(), straight)
  assert outcome.finished
  assert (straight / "metrics.jsonl").read_bytes() == before


def test_evaluation_writes_the_files_of_the_contract(straight, tiny_config):
  run = evaluation_run.evaluate(tiny_config(), straight, "test")
  path = RunDir(straight).results_file("test")
  results.write(RunDir(straight), "test", *run)
  assert path == straight / "results" / "test.json"
  stored = json.loads(path.read_text())
  assert set(stored) == {
    "corpora",
    "decoding",
    "selection",
    "provenance",
    "test_openings",
  }
  assert set(stored["corpora"]) == {"films", "friends"}
  assert stored["corpora"]["films"]["n_intensity"] == 5
  assert stored["decoding"]["n"] == 10
  assert stored["selection"]["step"] in (4, 8)
  provenance = stored["provenance"]
  for name in ("config", "seed", "data", "versions", "commit"):
    assert name in provenance
  lines = (straight / "predictions" / "test.jsonl").read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  assert [row["corpus"] for row in rows] == ["films"] * 5 + ["friends"] * 5
  assert {row["id"] for row in rows} == {f"test{n}" for n in range(5)}
  for row in rows:
    assert {"output", "fields", "probabilities", "targets"} <= set(row)
    assert set(row["fields"]) == {"polarity", "intensity", "moods"}
    # The first slot has nothing before it that could be malformed.
    assert set(row["probabilities"]["polarity"]) == {
      "negative",
      "neutral",
      "positive",
    }
    for slot in row["probabilities"].values():
      assert sum(slot.values()) == pytest.approx(1, abs=1e-6)


def test_evaluation_does_not_depend_on_its_batch_size(straight, tiny_config):
  """Companions, padding rows and buckets must not reach a prediction."""
  outputs = []
  for size in (4, 6):
    config = tiny_config({"decoding.batch_size": size})
    found, _, _ = evaluation_run.evaluate(config, straight, "validation")
    outputs.append([each.output for each in found.predictions])
  assert outputs[0] == outputs[1]


def test_a_loss_that_is_no_number_stops_before_it_is_saved(
  tiny_config, tmp_path
):
  config = tiny_config(
    {
      # The first step already leaves the range of float32.
      "optimizer.lr_t5": 1e38,
      "optimizer.warmup_steps": 0,
      "optimizer.clip_norm": 0.0,
      "train.log_every_steps": 1000,
      "train.checkpoint_every_steps": 3,
    }
  )
  with pytest.raises(InputError, match="gradient at step 2, .* none") as caught:
    trainer.train(config, tmp_path)
  assert "lower the learning rates" in str(caught.value)
  run_dir = RunDir(tmp_path)
  with np.load(run_dir.broken_batch_file) as batch:
    ids = batch["ids"].tolist()
    assert len(ids) == batch["encoder_mask"].any(1).sum()
  assert ids[0] in str(caught.value)
  with run_dir.open_checkpoints(read_only=True) as saved:
    assert saved.steps() == []


def test_a_workdir_of_another_config_is_refused(straight, tiny_config):
  with pytest.raises(InputError, match="model.adapter_width"):
    trainer.train(tiny_config({"model.adapter_width": 5}), straight)


def test_more_epochs_go_on_from_the_last(
  straight, tiny_config, tmp_path, caplog
):
  workdir = pathlib.Path(shutil.copytree(straight, tmp_path / "more"))
  outcome = trainer.train(tiny_config({"train.epochs": 3}), workdir)
  assert (outcome.step, outcome.total_steps) == (12, 12)
  # The schedule falls over all epochs.
  assert "config.train.epochs: 3, where the run" in caplog.text
  assert "began with 2" in caplog.text


def test_other_devices_are_told_when_a_run_goes_on(
  straight, tiny_config, tmp_path, caplog
):
  workdir = pathlib.Path(shutil.copytree(straight, tmp_path / "moved"))
  trainer.train(tiny_config(), workdir)
  assert "mesh" not in caplog.text
  trainer.train(tiny_config({"parallel.devices": 2}), workdir)
  assert (
    "saved on a mesh of data 1 x fsdp 1 x model 1, and this run goes on with "
    "data 2 x fsdp 1 x model 1: its numbers may differ"
  ) in caplog.text


def test_a_batch_that_devices_cannot_share_is_refused(tiny_config, tmp_path):
  config = tiny_config({"parallel.devices": 8, "train.batch_size": 12})
  with pytest.raises(InputError, match="multiple of 8"):
    trainer.train(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_faulty_config_leaves_nothing_that_a_mended_one_would_meet(
  tiny_config, tmp_path
):
  faulty = tiny_config({"tokenizer.path": "", "tokenizer.vocab_size": 64})
  workdir = tmp_path / "run"
  with pytest.MonkeyPatch.context() as patch:

    def refuse(*args):
      raise InputError("a fault that shows late")

    patch.setattr(preparation, "_t5_config", refuse)
    with pytest.raises(InputError, match="shows late"):
      trainer.train(faulty, workdir)
  assert not (workdir / "config.json").exists()
  assert not RunDir(workdir).tokenizer_file.exists()
  # Another config may now use the workdir.
  outcome = trainer.train(tiny_config({"train.epochs": 1}), workdir)
  assert outcome.finished


def test_other_data_under_the_same_names_is_refused(
  tiny_config, corpora, label_writer, tmp_path
):
  """The labels of one corpus alone differ, and so does their hash."""
  labels = tmp_path / "labels.jsonl"
  meta = corpora / "films_friends.meta.json"
  rows = (corpora / "films_friends.jsonl").read_text().splitlines()
  rows[0], rows[1] = rows[1], rows[0]
  text = "\n".join(rows) + "\n"
  labels.write_text(text)
  stored = json.loads(meta.read_text())
  stored["labels_sha256"] = hashlib.sha256(text.encode()).hexdigest()
  labels.with_suffix(".meta.json").write_text(json.dumps(stored))
  config = tiny_config({"data.labels": str(labels)})
  run_dir = RunDir(tmp_path)
  pipeline_lib.prepare_run(tiny_config(), run_dir)
  with pytest.raises(InputError, match="hashes differ"):
    pipeline_lib.prepare_run(config, run_dir)


def test_selecting_on_test_is_loud_and_in_the_results(
  tiny_config, tmp_path, caplog
):
  config = tiny_config(
    {
      "train.selection": "best_on_test",
      "train.epochs": 1,
      "data.temperature": 2.0,
      "label.fields": "three_field",
      "label.snap": True,
      "text.marking": "slice_encoder",
    }
  )
  outcome = trainer.train(config, tmp_path)
  assert "SELECTED ON THE TEST SPLIT" in caplog.text
  lines = [
    json.loads(line)
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
  ]
  splits = [line["split"] for line in lines if line["split"] != "train"]
  assert splits == ["validation", "test"]
  run = evaluation_run.evaluate(config, tmp_path, "test")
  results.write(RunDir(tmp_path), "test", *run)
  stored = RunDir(tmp_path).results("test")
  assert stored["test_openings"] == 2  # once in training
  assert "TEST SPLIT" in stored["selection"]["banner"]
  assert "TEST" in stored["selection"]["rule"]
  best = stored["selection"]["best_per_score"]["films/mae"]
  assert best["step"] == outcome.step
  # Three fields: one emotion, and scores of it all the same.
  assert {"acc", "wf1"} <= set(stored["corpora"]["friends"])
  for each in run[0].predictions:
    assert set(each.parsed.fields) == {
      "polarity",
      "intensity",
      "emotion",
    }
    value = each.parsed.fields["intensity"]
    assert value is None or min(abs(value - x) for x in (-1.2, 0, 1.6)) < 1e-6


def test_training_ends_where_evaluations_get_no_better(
  tiny_config, tmp_path, caplog
):
  """With a rate of 0 no evaluation is better than the first."""
  still = {f"optimizer.lr_{name}": 0.0 for name in ("t5", "pmf", "main")}
  changes = still | {"optimizer.lr_segment": 0.0, "train.epochs": 5}
  config = tiny_config(changes | {"train.patience": 1})
  with caplog.at_level("INFO", logger="absl"):
    outcome = trainer.train(config, tmp_path)
  assert outcome.finished
  assert (outcome.step, outcome.total_steps) == (8, 20)
  assert outcome.best_step == 4
  assert "ends at step 8 of 20" in caplog.text
  # Running it again changes nothing; more patience goes on.
  assert trainer.train(config, tmp_path) == outcome
  longer = trainer.train(tiny_config(changes | {"train.patience": 2}), tmp_path)
  assert (longer.step, longer.best_step) == (12, 4)
