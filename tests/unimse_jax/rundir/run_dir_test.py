"""One config and one process per workdir."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from unimse_jax.errors import InputError
from unimse_jax.rundir import RunDir
from unimse_jax.rundir.config_file import differing_fields

_ROOT = pathlib.Path(__file__).parents[3]
_CONFIG = {
  "seed": 0,
  "model": {"width": 256, "rates": (1, 2)},
  "train": {"epochs": 3},
}
_HOLDING = """
import pathlib, sys, time
from unimse_jax.rundir import RunDir
with RunDir(pathlib.Path(sys.argv[1])).hold({}):
  print("locked", flush=True)
  time.sleep(60)
"""


def test_a_new_workdir_gets_its_config(tmp_path):
  run_dir = RunDir(tmp_path / "a" / "b")
  with run_dir.hold(_CONFIG):
    assert run_dir.exists()
    assert json.loads(run_dir.config_file.read_text()) == {
      **_CONFIG,
      "model": {"width": 256, "rates": [1, 2]},
    }


def test_the_same_config_opens_it_again(tmp_path):
  for _ in range(2):
    with RunDir(tmp_path).hold(_CONFIG):
      pass
  assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "config.json"]


def test_another_config_is_refused_with_every_field(tmp_path):
  with RunDir(tmp_path).hold(_CONFIG):
    pass
  other = {"seed": 1, "model": {"width": 512, "rates": [1, 2]}, "new": {}}
  with pytest.raises(InputError) as error, RunDir(tmp_path).hold(other):
    pass
  message = str(error.value).splitlines()
  assert "4 field(s)" in message[0]
  assert message[1:-1] == [
    "  model.width: was 256, now 512",
    "  new: was '(absent)', now {}",
    "  seed: was 0, now 1",
    "  train.epochs: was 3, now '(absent)'",
  ]
  assert "new --workdir" in message[-1]
  assert json.loads((tmp_path / "config.json").read_text())["seed"] == 0


def test_free_fields_may_differ_and_are_updated(tmp_path):
  with RunDir(tmp_path).hold(_CONFIG):
    pass
  longer = {**_CONFIG, "train": {"epochs": 9}}
  with RunDir(tmp_path).hold(longer, free=("train",)):
    pass
  config = json.loads((tmp_path / "config.json").read_text())
  assert config["train"] == {"epochs": 9}
  # A prefix ends at a dot: "train.ep" does not free "train.epochs".
  with (
    pytest.raises(InputError, match="train.epochs"),
    RunDir(tmp_path).hold(_CONFIG, free=("train.ep",)),
  ):
    pass


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_broken_config_is_refused(tmp_path, text):
  (tmp_path / "config.json").write_text(text)
  with (
    pytest.raises(InputError, match="config.json"),
    RunDir(tmp_path).hold({}),
  ):
    pass
  assert (tmp_path / "config.json").read_text() == text


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path):
  (tmp_path / "file").write_text("")
  for path in (tmp_path / "file", tmp_path / "file" / "inner"):
    with pytest.raises(InputError, match="writable"), RunDir(path).hold({}):
      pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_workdir_is_refused(tmp_path):
  tmp_path.chmod(0o555)
  with pytest.raises(InputError, match="writable"), RunDir(tmp_path).hold({}):
    pass


def test_a_second_run_is_refused_until_the_first_is_gone(tmp_path):
  process = subprocess.Popen(
    [sys.executable, "-c", _HOLDING, str(tmp_path)],
    env={**os.environ, "PYTHONPATH": str(_ROOT)},
    stdout=subprocess.PIPE,
    text=True,
  )
  try:
    assert process.stdout.readline() == "locked\n"
    expected = f"process {process.pid} on "
    with pytest.raises(InputError, match=expected), RunDir(tmp_path).hold({}):
      pass
  finally:
    process.send_signal(signal.SIGKILL)
    process.communicate()
  # SIGKILL runs no clean-up: the lock has to go with the process.
  with RunDir(tmp_path).hold({}):
    pass


def test_the_lock_ends_with_the_block(tmp_path):
  with pytest.raises(ZeroDivisionError), RunDir(tmp_path).hold({}):
    raise ZeroDivisionError
  with (
    RunDir(tmp_path).hold({}),
    pytest.raises(InputError),
    RunDir(tmp_path).hold({}),
  ):
    pass


def test_differing_fields_tells_empty_from_absent():
  old = {"a": {"b": {}}, "c": None}
  assert differing_fields(old, old) == {}
  assert differing_fields(old, {"a": {"b": {"d": 1}}}) == {
    "a.b": ({}, "(absent)"),
    "a.b.d": ("(absent)", 1),
    "c": (None, "(absent)"),
  }
