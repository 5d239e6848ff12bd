"""metrics.jsonl equals an uninterrupted run's; TensorBoard reads the rest."""

import json
import math
import os
import pathlib
import resource
import signal
import subprocess
import sys
import types

import pytest

from unimse_jax.rundir import RunDir
from unimse_jax.rundir.metrics import read_metrics

_ROOT = pathlib.Path(__file__).parents[3]


def write_steps(workdir, steps, resume_step=0):
  with RunDir(workdir).open_metrics(resume_step) as writer:
    for step in steps:
      writer.write(step, "train", {"loss": 1 / step}, {"seconds": 0.5})
      if step % 2 == 0:
        writer.write(step, "validation", {"wf1": step / 10})


def lines(workdir):
  text = (workdir / "metrics.jsonl").read_text()
  return [json.loads(line) for line in text.splitlines()]


def test_lines_hold_step_split_and_values_but_no_timings(tmp_path):
  write_steps(tmp_path, [1, 2])
  assert lines(tmp_path) == [
    {"step": 1, "split": "train", "loss": 1.0},
    {"step": 2, "split": "train", "loss": 0.5},
    {"step": 2, "split": "validation", "wf1": 0.2},
  ]


def test_a_resumed_file_equals_an_uninterrupted_one(tmp_path):
  whole, resumed = tmp_path / "whole", tmp_path / "resumed"
  whole.mkdir()
  resumed.mkdir()
  write_steps(whole, range(1, 9))
  write_steps(resumed, range(1, 6))  # killed at 5, the checkpoint is of 4
  write_steps(resumed, range(5, 9), resume_step=4)
  name = "metrics.jsonl"
  assert (resumed / name).read_bytes() == (whole / name).read_bytes()


def test_a_fresh_start_drops_the_lines_of_a_run_without_checkpoint(tmp_path):
  write_steps(tmp_path, [1])
  write_steps(tmp_path, [1])
  assert len(lines(tmp_path)) == 1


def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path, caplog):
  write_steps(tmp_path, [1])
  with (tmp_path / "metrics.jsonl").open("a") as file:
    file.write('{"step": 2, "split": "tr')
  write_steps(tmp_path, [2], resume_step=1)
  assert [line["step"] for line in lines(tmp_path)] == [1, 2, 2]
  assert "line 2 is broken" in caplog.text


@pytest.mark.parametrize(
  "line", ['{"step": 81}', '{"step": "2", "split": "x"}']
)
def test_a_line_of_another_form_does_not_block_a_resumed_run(
  tmp_path, caplog, line
):
  write_steps(tmp_path, [1])
  with (tmp_path / "metrics.jsonl").open("a") as file:
    file.write(line + "\n")
  write_steps(tmp_path, [2], resume_step=1)
  assert [line["step"] for line in lines(tmp_path)] == [1, 2, 2]
  (evaluation,) = RunDir(tmp_path).evaluations()["validation"]
  assert evaluation == {"step": 2, "split": "validation", "wf1": 0.2}
  assert "line 2 is broken" in caplog.text


def test_a_full_disk_is_told_once_and_the_lines_follow(tmp_path, caplog):
  room = 10_000  # bytes; more than one line and less than two hundred
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  with RunDir(tmp_path).open_metrics(0) as writer:
    writer.write(1, "train", {"loss": 1.0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
      for step in range(2, 200):
        writer.write(step, "train", {"loss": 1 / step, "x" * 99: 0.0})
      kept = [line["step"] for line in lines(tmp_path)]
    finally:
      resource.setrlimit(resource.RLIMIT_FSIZE, limits)
      signal.signal(signal.SIGXFSZ, previous)
    writer.write(200, "train", {"loss": 0.0})
  assert 1 < len(kept) < 199
  assert [line["step"] for line in lines(tmp_path)] == [*range(1, 201)]
  assert caplog.text.count("could not be written") == 1


def test_every_line_is_on_disk_when_write_returns(tmp_path):
  writer = RunDir(tmp_path).open_metrics(0)
  writer.write(1, "train", {"loss": 1.0})
  assert len(lines(tmp_path)) == 1
  writer.close()
  writer.close()


def test_numbers_that_are_not_finite_become_null(tmp_path):
  with RunDir(tmp_path).open_metrics(0) as writer:
    writer.write(1, "train", {"a": math.nan, "b": math.inf, "c": 1})
  (line,) = read_metrics(tmp_path / "metrics.jsonl")
  assert line == {"step": 1, "split": "train", "a": None, "b": None, "c": 1.0}


def test_a_disabled_writer_writes_nothing(tmp_path):
  with RunDir(tmp_path).open_metrics(0, enabled=False) as writer:
    writer.write(1, "train", {"loss": 1.0})
  assert list(tmp_path.iterdir()) == []


def test_values_named_like_the_keys_are_refused(tmp_path):
  with (
    RunDir(tmp_path).open_metrics(0) as writer,
    pytest.raises(ValueError, match="no"),
  ):
    writer.write(1, "train", {"step": 2.0})


def test_tensorboard_reads_the_scalars_of_both_parts(tmp_path, monkeypatch):
  # This empty module makes tensorboard use its stub: tensorflow takes 5 s.
  stub = "tensorboard.compat.notf"
  monkeypatch.setitem(sys.modules, stub, types.ModuleType(stub))
  from tensorboard.backend.event_processing import event_accumulator

  write_steps(tmp_path, [1, 2, 3])
  write_steps(tmp_path, [2, 3, 4], resume_step=1)
  reader = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
  reader.Reload()
  losses = [(e.step, e.value) for e in reader.Scalars("train/loss")]
  # Steps 2 and 3 of the first part are hidden, not shown twice.
  assert losses == [
    (1, 1.0),
    (2, 0.5),
    (3, pytest.approx(1 / 3)),
    (4, 0.25),
  ]
  assert [e.step for e in reader.Scalars("train/seconds")] == [1, 2, 3, 4]


def test_tensorflow_is_not_imported(tmp_path):
  script = (
    "import pathlib, sys\n"
    "from unimse_jax.rundir import RunDir\n"
    f"run_dir = RunDir(pathlib.Path({str(tmp_path)!r}))\n"
    "with run_dir.open_metrics(0) as writer:\n"
    "  writer.write(1, 'train', {'loss': 1.0})\n"
    "sys.exit('tensorflow' in sys.modules)\n"
  )
  environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
  subprocess.run([sys.executable, "-c", script], env=environment, check=True)
