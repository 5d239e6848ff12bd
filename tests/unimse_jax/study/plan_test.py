"""Which runs a study has, and which are done."""

import dataclasses
import json
import os
import time

import pytest

from unimse_jax import command_line
from unimse_jax import config as config_lib
from unimse_jax.checkpoints import integrity
from unimse_jax.errors import InputError
from unimse_jax.study import plan


def test_config_flags_are_those_of_the_config_alone():
  given = ["--config=a.py", "--workdir", "w", "--config.train.epochs", "3"]
  given += ["--seeds=2", "--noconfig.model.pmf", "--config.seed=4"]
  assert plan.config_flags(given) == [
    "--config=a.py",
    "--config.train.epochs",
    "3",
    "--noconfig.model.pmf",
    "--config.seed=4",
  ]


@pytest.mark.parametrize(
  "own",
  [
    ["--config.text.turn_separator", "- "],
    ["--config.loss.beta", "-0.5"],
    ["--config.model.pmf"],
    ["--noconfig.model.pmf"],
    ["-config.seed", "4"],
  ],
)
def test_a_value_may_begin_with_a_dash_and_a_switch_has_none(own):
  given = ["--config", "a.py", *own, "--config.train.epochs=3", "--seeds", "2"]
  expected = ["--config", "a.py", *own, "--config.train.epochs=3"]
  assert plan.config_flags(given) == expected


def test_seeds_count_from_the_seed_of_the_config(config_with_rows, tmp_path):
  flags = [f"--config={config_with_rows}", "--config.seed=5"]
  runs = plan.seed_runs(flags, tmp_path, 3, command_line.load_config)
  assert [run.config.seed for run in runs] == [5, 6, 7]
  assert [run.run_dir.path.name for run in runs] == [
    "seed_0",
    "seed_1",
    "seed_2",
  ]
  command = runs[1].command("train")
  assert command[:2] == ["-m", "unimse_jax.train"]
  assert command[-2:] == ["--workdir", str(tmp_path / "seed_1")]
  with pytest.raises(InputError, match="at least 1"):
    plan.seed_runs(flags, tmp_path, 0, command_line.load_config)


def test_rows_are_the_parent_and_those_that_apply(make_rows, tmp_path):
  rows, left_out = make_rows(flags=["--config.train.epochs=7"])
  assert [row.name for row in rows] == [
    "full",
    "without_audio",
    "without_films",
  ]
  assert rows[1].title == "title of without_audio"
  assert rows[1].runs[1].run_dir.path == tmp_path / "without_audio" / "seed_1"
  assert rows[1].runs[0].config.data.modalities == ("video",)
  assert all(run.config.train.epochs == 7 for row in rows for run in row.runs)
  assert "no such corpus" in left_out["does_not_apply"]
  assert [row.name for row in make_rows("table3")[0]] == [
    "full",
    "without_audio",
  ]


def test_overrides_change_the_parent_and_never_the_row(make_rows):
  flags = [
    "--config.data.modalities=('audio','video')",
    "--config.optimizer.lr_t5=0.01",
  ]
  rows, _ = make_rows("without_audio", flags=flags)
  for run in rows[1].runs:
    assert run.config.data.modalities == ("video",)
    assert run.config.optimizer.lr_t5 == 0.01
    assert run.config.name == "tiny_without_audio"
  assert rows[0].runs[0].config.data.modalities == ("audio", "video")


def test_a_row_that_is_the_whole_model_is_left_out(make_rows):
  flags = ["--config.data.modalities=('video',)"]
  rows, left_out = make_rows("table3", flags=flags)
  assert [row.name for row in rows] == ["full"]
  assert "changes nothing of the whole model" in left_out["without_audio"]
  with pytest.raises(InputError, match="changes nothing"):
    make_rows("without_audio", flags=flags)


def test_rows_asked_for_by_name_must_be_there_and_apply(make_rows):
  with pytest.raises(InputError, match="found without_wings"):
    make_rows("without_audio,without_wings")
  with pytest.raises(InputError, match="no such corpus"):
    make_rows("does_not_apply")


def test_a_run_is_done_while_config_and_checkpoint_stay(make_rows, evaluate):
  run = make_rows("without_audio")[0][0].runs[0]
  assert not run.is_evaluated("test")
  evaluate(run, {})
  assert run.is_evaluated("test")
  assert not run.is_evaluated("validation")
  stored = run.run_dir.results("test")
  for kind, evaluated in (("chosen", False), ("best", True)):
    file = run.run_dir.results_file("test")
    file.write_text(json.dumps(stored | {"selection": {"checkpoint": kind}}))
    assert run.is_evaluated("test") == evaluated
  longer = make_rows("without_audio", flags=["--config.train.epochs=9"])
  assert not longer[0][0].runs[0].is_evaluated("test")
  manifest = run.run_dir.path / "checkpoints" / "8" / "manifest.json"
  manifest.parent.mkdir(parents=True)
  manifest.write_text("{}")
  later = time.time() + 60
  os.utime(manifest, (later, later))
  assert not run.is_evaluated("test")


def test_a_run_of_other_data_is_not_done(make_rows, evaluate):
  run = make_rows("without_audio")[0][0].runs[0]
  evaluate(run, {})
  file = run.run_dir.results_file("test")
  stored = json.loads(file.read_text())
  assert run.is_evaluated("test")
  stored["provenance"]["data"]["labels_sha256"] = "of other labels"
  file.write_text(json.dumps(stored))
  assert not run.is_evaluated("test")
  # The data may be gone by the time that the scores are gathered.
  gone = dataclasses.replace(run.config.data, dir="nowhere")
  config = dataclasses.replace(run.config, data=gone)
  stored["provenance"]["config"] = config_lib.to_dict(config)
  file.write_text(json.dumps(stored))
  assert dataclasses.replace(run, config=config).is_evaluated("test")


@pytest.mark.parametrize(
  ("metadata", "patience", "done"),
  [
    ({"epoch": 1.5, "ended": False}, 0, False),
    ({"epoch": 1.5, "ended": True}, 3, True),
    ({"epoch": 2.0, "ended": True}, 0, True),
    # Of a version that did not say whether training had ended.
    ({"epoch": 1.5}, 0, False),
    ({"epoch": 1.5}, 3, True),
    ({"epoch": 2.0}, 0, True),
  ],
)
def test_a_run_that_was_evaluated_half_way_is_not_done(
  make_rows, evaluate, metadata, patience, done
):
  flags = [f"--config.train.patience={patience}", "--config.train.epochs=2"]
  run = make_rows("without_audio", flags=flags)[0][0].runs[0]
  checkpoint = run.run_dir.checkpoints / "8"
  checkpoint.mkdir(parents=True)
  integrity.seal(checkpoint, {"step": 8, "metadata": metadata})
  evaluate(run, {})
  assert run.is_evaluated("test") == done


def test_what_a_classical_row_runs_is_one_command(config_file, tmp_path):
  flags = (f"--config={config_file}", "--config.rival.system=tfidf")
  (run,) = plan.seed_runs(flags, tmp_path, 1, command_line.load_config)
  (command,) = run.commands("validation")
  assert command[:2] == ["-m", "unimse_jax.baseline"]
  assert command[-2:] == ["--split", "validation"]
