"""The table of goals: faults, interruptions, what counts as reached."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.unimse_jax.benchmarking.throughput_test import SMALL, tiny
from unimse_jax.benchmarking import goal_tasks, goals
from unimse_jax.errors import InputError

_ROOT = pathlib.Path(__file__).parents[3]
_HEAD = {
  "device": "NVIDIA H100 80GB HBM3",
  "jax": "0.10.2",
  "jaxlib": "0.10.2",
  "torch": None,
  "transformers": None,
}
_CONFIG = f"""
from configs import scratch

def get_config():
  config = scratch.get_config()
  for section, fields in {SMALL}.items():
    config[section].update(fields)
  config.decoding.max_new_tokens = 24
  config.decoding.batch_size = 512
  return config
"""


@pytest.fixture
def results(monkeypatch):
  """Task -> what its process gives; tasks that were measured, in order."""
  given = {task: {"value": 1.0} for task in goals.TASKS}
  measured = []

  def run(function, *arguments):
    if function is goals._describe:
      return dict(_HEAD)
    task = arguments[0]
    measured.append(task)
    if isinstance(given[task], BaseException):
      raise given[task]
    return given[task]

  monkeypatch.setattr(goals, "_in_process", run)
  return given, measured


def measure(output, tasks=goals.TASKS):
  return goals.measure(tiny(), tasks, 1, 0, output)


def test_every_row_has_a_task():
  assert set(goals.TASKS) == set(goal_tasks.TASKS)
  assert len({(row.task, row.value) for row in goals.ROWS}) == len(goals.ROWS)


def test_a_task_that_fails_costs_the_others_nothing(results, tmp_path):
  given, measured = results
  given["torch_compile"] = "ValueError: no such thing"
  found = measure(tmp_path / "goals.json")
  assert measured == list(goals.TASKS)
  assert found.faults == {"torch_compile": "ValueError: no such thing"}
  assert found.values.keys() == set(goals.TASKS) - {"torch_compile"}
  # What failed is measured again, and nothing else.
  given["torch_compile"] = {"value": 2.0}
  measured.clear()
  again = measure(tmp_path / "goals.json")
  assert measured == ["torch_compile"]
  assert again.values == found.values | {"torch_compile": {"value": 2.0}}
  assert again.faults == {}


def test_an_interrupted_command_goes_on(results, tmp_path):
  given, measured = results
  second = goals.TASKS[1]
  given[second] = KeyboardInterrupt()
  with pytest.raises(KeyboardInterrupt):
    measure(tmp_path / "goals.json")
  assert measured == [*goals.TASKS[:2]]
  given[second] = {"value": 1.0}
  measured.clear()
  measure(tmp_path / "goals.json")
  assert measured == [*goals.TASKS[1:]]


def test_a_file_of_something_else_is_refused(results, tmp_path):
  output = tmp_path / "goals.json"
  measure(output, goals.TASKS[:1])
  stored = json.loads(output.read_text())
  assert stored["head"]["batch_size"] == 8
  changes = {"device": "cpu", "commit": "of other code", "steps": 7}
  others = [
    stored | {"head": stored["head"] | {name: value}}
    for name, value in changes.items()
  ]
  for content in (*others, {"head": {}}, ["head", "values", "faults"]):
    output.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"--output: .*H100.*another --output"):
      measure(output)


def test_only_what_is_asked_for_is_measured(results):
  _, measured = results
  found = measure(None, ("scaling",))
  assert measured == ["scaling"] and [*found.values] == ["scaling"]


def test_a_process_that_dies_is_told():
  assert goals._in_process(os._exit, 3) == (
    "its process ended without a message: killed, or out of memory"
  )


def test_what_a_task_raises_is_told_in_a_line():
  config = tiny(decoding={"max_new_tokens": 3})
  fault = goals._in_process(goals._measure, "evaluation", config, 1, 0)
  assert fault.startswith("config.decoding.max_new_tokens: expected at least")
  fault = goals._in_process(goals._measure, "evaluation", None, 1, 0)
  assert fault.startswith("AttributeError: 'NoneType'")


@pytest.mark.parametrize(
  ("device", "value", "cells"),
  [
    ("NVIDIA H100 80GB HBM3", 0.4, ("40.0%", "yes")),
    ("NVIDIA H100 80GB HBM3", 0.39, ("39.0%", "no")),
    ("TPU v4", 0.5, ("50.0%", "-")),  # the goal is not a TPU's
    ("TPU v4", None, ("not known for this device", "-")),
  ],
)
def test_a_goal_is_judged_on_its_device(device, value, cells):
  row = goals.ROWS[0]
  found = goals.Found(_HEAD | {"device": device})
  found.values["training"] = {"share_of_peak": value}
  shown, goal, met = goals._cells(row, found)
  assert (shown, met) == cells and goal == "at least 40.0%"


def test_ratios_are_judged_everywhere():
  row = next(row for row in goals.ROWS if row.value == "audio_seconds")
  found = goals.Found(_HEAD | {"device": "cpu"})
  found.values["scaling"] = {"audio_seconds": 1.31}
  assert goals._cells(row, found) == ("1.31 x", "at most 1.30 x", "no")
  found.values["scaling"] = {"audio_seconds": 1.3}
  assert goals._cells(row, found)[2] == "yes"


def test_the_document_has_the_command_s_rows():
  page = (_ROOT / "docs" / "performance.md").read_text()
  table = goals.format_found(goals.Found()).partition("\n\n")[2]
  assert table.count("not measured") == len(goals.ROWS)
  assert table in page


@pytest.mark.parametrize(
  ("task", "names"),
  [
    ("lstms", {"share"}),
    ("evaluation", {"seconds", "first_seconds"}),
  ],
)
def test_a_task_measures(task, names):
  config = tiny(decoding={"max_new_tokens": 24, "batch_size": 512})
  values = goal_tasks.TASKS[task](config, 1, 0)
  assert values.keys() == names
  assert all(value > 0 for value in values.values())


def run_command(folder, *flags):
  (folder / "small.py").write_text(_CONFIG)
  return subprocess.run(
    [
      *(sys.executable, "-m", "unimse_jax.benchmark", "--goals"),
      *(f"--config={folder / 'small.py'}", "--steps=1", "--warmup=0"),
      *(f"--output={folder / 'goals.json'}", *flags),
    ],
    cwd=_ROOT,
    capture_output=True,
    text=True,
  )


def test_the_command_prints_the_table(tmp_path):
  done = run_command(tmp_path, "--only=decoding")
  assert done.returncode == 0, done.stderr
  assert "**scratch on cpu, batch of 8, float32, jax" in done.stdout
  # The first column is the longest: lines are as many as rows.
  lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
  assert len(lines) == 2 + len(goals.ROWS)
  assert done.stdout.count("not measured") == len(goals.ROWS) - 1
  (row,) = [line for line in lines if "Greedy decoding" in line]
  stored = json.loads((tmp_path / "goals.json").read_text())
  rate = stored["values"]["decoding"]["tokens_per_second"]
  assert row.split(" | ")[1] == f"{rate:,.0f}"


@pytest.mark.slow
def test_the_command_measures_every_row(tmp_path):
  done = run_command(tmp_path)
  assert done.returncode == 0, done.stderr
  assert "not measured" not in done.stdout
  assert "failed" not in done.stdout
  assert done.stdout.count("not known for this device") == 1  # a CPU's peak
