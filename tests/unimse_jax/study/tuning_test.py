"""A search: what may be chosen, trials that resume, the best of them."""

import json
import subprocess
import sys

import optuna
import pytest

from unimse_jax import command_line
from unimse_jax.data import provenance
from unimse_jax.errors import InputError
from unimse_jax.rundir import RunDir
from unimse_jax.study import launch, search_space, tuning
from unimse_jax.study.search_space import Dimension
from unimse_jax.tables import writers

SPACE = (
  Dimension("optimizer.lr_t5", low=1e-5, high=1e-2, log=True),
  Dimension("model.adapter_width", low=2, high=8),
  Dimension("loss.alpha", choices=(0.0, 0.5)),
)


class Training:
  """Stands for `unimse_jax.train`: the nearer a rate to 1e-3, the better."""

  def __init__(self, stop_at: int | None = None, fail_at: int | None = None):
    self.commands, self.stop_at, self.fail_at = [], stop_at, fail_at

  def __call__(self, arguments) -> int:
    number = len(self.commands)
    self.commands.append(arguments)
    if number == self.stop_at:
      return 143
    if number == self.fail_at:
      return 1
    given = dict(
      each.removeprefix("--config.").split("=", 1)
      for each in arguments
      if each.startswith("--config.")
    )
    run_dir = RunDir(_path_after(arguments, "--workdir"))
    run_dir.path.mkdir(parents=True, exist_ok=True)
    skill = -abs(float(given["optimizer.lr_t5"]) - 1e-3)
    lines = [
      {"step": step, "split": "validation", "skill": skill - step}
      for step in (0, 1)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    run_dir.metrics_file.write_text(text)
    return 0


def _path_after(arguments, flag):
  import pathlib

  return pathlib.Path(arguments[arguments.index(flag) + 1])


@pytest.fixture
def search(config_file, tiny_config, tmp_path, monkeypatch):
  def run(trials: int, training: Training, workdir="search", **changes):
    root = RunDir(tmp_path / workdir)
    monkeypatch.setattr(launch, "run", training)
    with root.hold_study():
      study = tuning.open_study(root, SPACE, tiny_config(changes))
      status = tuning.search(
        *(study, SPACE, root, [f"--config={config_file}"], trials),
        command_line.load_config,
      )
      return status, tuning.describe(study)

  return run


def test_the_best_trial_gives_the_flags(search):
  training = Training()
  status, content = search(6, training)
  assert status == 0
  assert len(content["trials"]) == len(training.commands) == 6
  skills = [each["skill"] for each in content["trials"]]
  best = content["best"]
  assert best["skill"] == max(skills)
  assert best["skill"] == -abs(best["values"]["optimizer.lr_t5"] - 1e-3)
  own = training.commands[best["trial"]]
  assert set(best["flags"]) <= set(own)
  for each in content["trials"]:
    assert 1e-5 <= each["values"]["optimizer.lr_t5"] <= 1e-2
    assert each["values"]["model.adapter_width"] in range(2, 9)
    assert each["values"]["loss.alpha"] in (0.0, 0.5)
  rows = writers.to_text(tuning.table(content)).splitlines()
  assert f"{best['skill']:.4f}" in rows[3] + rows[2] + rows[1] + rows[4]


def test_a_trial_that_was_broken_off_goes_on_where_it_was(search):
  first = Training(stop_at=2)
  status, content = search(4, first)
  assert status == 143
  assert [each["state"] for each in content["trials"]] == [
    *("complete", "complete", "running")
  ]
  second = Training()
  status, content = search(4, second)
  assert status == 0
  # The same command, so the same directory: training resumes there.
  assert second.commands[0] == first.commands[2]
  assert len(second.commands) == 2
  assert [each["state"] for each in content["trials"]] == ["complete"] * 4


def test_trials_that_were_made_count(search):
  search(2, Training())
  training = Training()
  _, content = search(2, training)
  assert not training.commands
  assert len(content["trials"]) == 2


def test_a_search_that_is_made_longer_tries_what_it_would_have_at_once(search):
  """Past the ten trials that Optuna draws before it looks at any skill."""
  for trials in (1, 6, 11, 12):
    _, longer = search(trials, Training())
  _, at_once = search(12, Training(), workdir="at_once")
  assert longer["trials"] == at_once["trials"]


def test_a_trial_that_fails_is_named_and_left(search):
  status, content = search(3, Training(fail_at=1))
  assert status == 0
  states = [each["state"] for each in content["trials"]]
  assert states == ["complete", "fail", "complete"]
  assert content["best"]["trial"] != 1
  assert "fail" in writers.to_text(tuning.table(content))


def test_trials_of_another_config_or_other_data_are_not_compared(
  search, monkeypatch
):
  search(1, Training())
  # What is searched over, and what changes no value, may differ.
  search(1, Training(), **{"loss.alpha": 0.3, "train.log_every_steps": 7})
  with pytest.raises(InputError, match="config.seed: was 0, now 1"):
    search(1, Training(), seed=1)
  monkeypatch.setattr(provenance, "read", lambda *where: {"labels": "others"})
  with pytest.raises(InputError, match="sha256 of the data: was"):
    search(1, Training())


def test_another_space_in_the_same_place_is_refused(
  search, tiny_config, tmp_path
):
  search(1, Training())
  root = RunDir(tmp_path / "search")
  with pytest.raises(InputError, match="choose a new --workdir"):
    tuning.open_study(root, SPACE[:1], tiny_config())


def write(tmp_path, content) -> list[Dimension]:
  path = tmp_path / "space.json"
  path.write_text(json.dumps(content))
  return [*search_space.read(path)]


def test_a_space_is_read_in_its_order(tmp_path):
  content = {
    "optimizer.lr_t5": {"low": 1e-5, "high": 1e-2, "log": True},
    "model.adapter_width": {"low": 2, "high": 8},
    "loss.alpha": {"choices": [0.0, 0.5]},
  }
  assert write(tmp_path, content) == [*SPACE]


@pytest.mark.parametrize(
  ("content", "named"),
  [
    ({}, "no field"),
    ({"optimizer.rate": {"low": 0, "high": 1}}, "no field of the config"),
    ({"seed": {"low": 0, "high": 9}}, "--seeds"),
    ({"train.selection": {"choices": ["best_on_test"]}}, "on validation"),
    ({"loss.alpha": {"low": 0}}, "the keys low"),
    ({"loss.alpha": {"low": 1, "high": 0}}, "low 1 and high 0"),
    ({"loss.alpha": {"low": 0, "high": 1, "log": True}}, "log with low"),
    ({"loss.alpha": {"low": -1, "high": 1}}, "config.loss.alpha"),
    ({"loss.alpha": {"choices": []}}, "the choices"),
    ({"t5.activation": {"choices": ["tanh"]}}, "config.t5.activation"),
    ({"data.buckets": {"choices": [[8, 16]]}}, "a list of values"),
    ({"loss.normalize": {"low": 0, "high": 1}}, "type bool has choices"),
    ({"t5.dtype": {"low": 0, "high": 1}}, "type str has choices"),
    ({"loss.alpha": {"low": 0, "high": 1e999}}, "no rising numbers"),
    ({"loss.alpha": {"low": 0, "high": True}}, "no rising numbers"),
    (
      {"model.adapter_width": {"low": 2.0, "high": 8}},
      "low 2.0 and high 8, no rising whole numbers",
    ),
    (
      {"model.adapter_width": {"low": 2, "high": 8, "step": 0.5}},
      "step 0.5, none of the whole numbers above 0",
    ),
    ({"loss.alpha": {"low": 0, "high": 1, "step": "a"}}, "step 'a', none"),
    ({"loss.alpha": {"low": 0, "high": 1, "step": -0.1}}, "step -0.1, none"),
    ({"loss.alpha": {"low": 0, "high": 1, "step": True}}, "step True, none"),
    ({"loss.alpha": {"low": 1, "high": 2, "log": "no"}}, "neither true nor"),
    ({"loss.alpha": {"choices": [0, "0.1"]}}, "not of type float: '0.1'"),
    ({"loss.normalize": {"choices": [0, 1]}}, "not of type bool: 0, 1"),
    ({"model.adapter_width": {"choices": [2, 4.0]}}, "not of type int: 4.0"),
  ],
)
def test_a_space_that_is_none_is_named(tmp_path, content, named):
  with pytest.raises(InputError) as caught:
    write(tmp_path, content)
  assert named in str(caught.value)
  assert "space.json" in str(caught.value)


def test_every_fault_of_a_space_is_named(tmp_path):
  with pytest.raises(InputError) as caught:
    write(
      tmp_path,
      {
        "loss.alpha": {"low": 1, "high": 0, "step": -1},
        "loss.normalize": {"choices": ["yes"]},
      },
    )
  for named in ("low 1 and high 0", "step -1", "type bool: 'yes'"):
    assert named in str(caught.value)


@pytest.mark.parametrize(
  ("field", "kind"), [("loss.alpha", float), ("model.adapter_width", int)]
)
@pytest.mark.parametrize("more", [{}, {"step": 1}, {"log": True}])
def test_values_are_of_the_fields_type_however_its_ends_are_written(
  tmp_path, field, kind, more
):
  (dimension,) = write(tmp_path, {field: {"low": 1, "high": 9, **more}})
  study = optuna.create_study()
  values = [dimension.suggest(study.ask()) for _ in range(9)]
  assert {type(each) for each in values} == {kind}
  drawn_whole = kind is int or "step" in more
  assert all(each == int(each) for each in values) == drawn_whole


@pytest.mark.parametrize("rule", ["best_on_test", "last_epoch"])
def test_nothing_is_searched_by_the_test_split(rule):
  with pytest.raises(InputError, match="mean_skill"):
    tuning.check_selection(rule)


@pytest.mark.slow
def test_the_command_searches_and_goes_on(config_file, tmp_path):
  space = tmp_path / "space.json"
  space.write_text('{"model.adapter_width": {"low": 2, "high": 8}}')
  command = [sys.executable, "-m", "unimse_jax.tune"]
  command += [f"--config={config_file}", f"--space={space}"]
  command += [f"--workdir={tmp_path / 'search'}", "--config.train.epochs=1"]
  for trials in (1, 2):
    done = subprocess.run(
      [*command, f"--trials={trials}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--config.model.adapter_width=" in done.stdout
  stored = json.loads((tmp_path / "search" / "tuning.json").read_text())
  assert len(stored["trials"]) == 2
  assert (tmp_path / "search" / "trial_1" / "config.json").is_file()
