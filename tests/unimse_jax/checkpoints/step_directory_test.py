"""Retention, clean-up and the choice of the best step, without any arrays."""

import math

import pytest

from unimse_jax.checkpoints import integrity
from unimse_jax.checkpoints.step_directory import StepDirectory, find_best
from unimse_jax.errors import InputError


def make_step(root, name, step, score=None):
  path = root / name
  path.mkdir(parents=True)
  (path / "data").write_text(name)
  metrics = {} if score is None else {"score": score}
  integrity.seal(path, {"step": step, "metrics": metrics})


def names(root):
  return sorted(path.name for path in root.iterdir())


def test_manifests_are_those_of_complete_steps_in_order(tmp_path):
  for step in (10, 9, 0):
    make_step(tmp_path, str(step), step)
  make_step(tmp_path, "7", 8)  # a copy under a wrong name
  make_step(tmp_path, "04", 4)
  (tmp_path / "4").mkdir()
  (tmp_path / "5").mkdir()
  (tmp_path / "5" / "data").write_text("x")
  assert list(StepDirectory(tmp_path).manifests()) == [0, 9, 10]


def test_a_missing_root_has_no_steps(tmp_path):
  assert StepDirectory(tmp_path / "none").manifests() == {}


def test_prune_keeps_the_latest_and_the_best(tmp_path):
  for step in range(1, 6):
    make_step(tmp_path, str(step), step)
  StepDirectory(tmp_path).prune(keep=2, best=1)
  assert names(tmp_path) == ["1", "4", "5"]


def test_sweep_removes_left_overs_and_keeps_what_is_whole(tmp_path):
  make_step(tmp_path, "2", 2)
  (tmp_path / "4").mkdir()
  (tmp_path / "3.orbax-checkpoint-tmp" / "d").mkdir(parents=True)
  make_step(tmp_path, "1.deleted", 1)
  (tmp_path / "5").mkdir()
  (tmp_path / "5" / "data").write_text("no manifest")
  (tmp_path / "notes.txt").write_text("the user's own")
  StepDirectory(tmp_path).sweep()
  assert names(tmp_path) == ["2", "5.damaged", "notes.txt"]


def test_sweep_puts_a_replaced_step_back_unless_it_has_a_successor(tmp_path):
  make_step(tmp_path, "3.replaced", 3)
  make_step(tmp_path, "4.replaced", 4)
  make_step(tmp_path, "4", 4)
  StepDirectory(tmp_path).sweep()
  assert names(tmp_path) == ["3", "4"]
  assert (tmp_path / "3" / "data").read_text() == "3.replaced"
  assert (tmp_path / "4" / "data").read_text() == "4"


def test_a_replaced_step_is_kept_where_its_successor_is_broken(tmp_path):
  make_step(tmp_path, "4.replaced", 4)
  make_step(tmp_path, "4", 4)
  (tmp_path / "4" / "data").write_text("one bit")
  StepDirectory(tmp_path).sweep()
  assert names(tmp_path) == ["4", "4.damaged"]
  assert (tmp_path / "4" / "data").read_text() == "4.replaced"


def test_a_root_that_cannot_be_made_is_refused(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(InputError, match="expected a writable directory"):
    StepDirectory(tmp_path / "file" / "checkpoints").sweep()


def test_an_unknown_step_is_refused_with_the_known_ones(tmp_path):
  make_step(tmp_path, "2", 2)
  with pytest.raises(InputError, match=r"found the steps \[2\]"):
    StepDirectory(tmp_path).manifest(3)


@pytest.mark.parametrize(
  ("scores", "mode", "best"),
  [
    ({1: 0.5, 2: 0.7, 3: 0.7}, "max", 2),
    ({1: 0.5, 2: 0.7, 3: 0.5}, "min", 1),
    ({1: math.nan, 2: -1.0}, "max", 2),
    ({1: None, 2: math.nan}, "max", None),
    ({}, "max", None),
  ],
)
def test_find_best(scores, mode, best):
  manifests = {
    step: {"metrics": {} if score is None else {"score": score}}
    for step, score in scores.items()
  }
  assert find_best(manifests, "score", mode) == best
