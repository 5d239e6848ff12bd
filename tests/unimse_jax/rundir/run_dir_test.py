"""One config and one process per workdir."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from absl import logging

from unimse_jax import config as config_lib
from unimse_jax.config import Config, StoredConfig
from unimse_jax.errors import InputError
from unimse_jax.rundir import RunDir
from unimse_jax.rundir.config_file import fixed_fields

_ROOT = pathlib.Path(__file__).parents[3]
_CONFIG = Config()
_HOLDING = """
import pathlib, sys, time
from unimse_jax.config import Config
from unimse_jax.rundir import RunDir
with RunDir(pathlib.Path(sys.argv[1])).hold(Config()):
  print("locked", flush=True)
  time.sleep(60)
"""


def changed(section: str, **values) -> Config:
  part = dataclasses.replace(getattr(_CONFIG, section), **values)
  return dataclasses.replace(_CONFIG, **{section: part})


def test_a_new_workdir_gets_its_config(tmp_path):
  run_dir = RunDir(tmp_path / "a" / "b")
  with run_dir.hold(_CONFIG):
    assert run_dir.exists()
    stored = json.loads(run_dir.config_file.read_text())
    assert stored == config_lib.to_dict(_CONFIG)
    assert run_dir.read_config() == _CONFIG


def test_the_same_config_opens_it_again(tmp_path):
  for _ in range(2):
    with RunDir(tmp_path).hold(_CONFIG):
      pass
  assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "config.json"]
  RunDir(tmp_path).check_config(_CONFIG)


def test_another_config_is_refused_with_every_field(tmp_path):
  with RunDir(tmp_path).hold(_CONFIG):
    pass
  file = RunDir(tmp_path).config_file
  stored = json.loads(file.read_text())
  stored["seed"] = 1
  stored["model"]["pmf_layers"] = 2
  stored["data"]["corpora"] = ["meld"]
  file.write_text(json.dumps(stored))
  for opened in (RunDir(tmp_path).hold, RunDir(tmp_path).check_config):
    with pytest.raises(InputError) as error, opened(_CONFIG):
      pass
    message = str(error.value).splitlines()
    assert "3 field(s)" in message[0]
    assert message[1:-1] == [
      "  data.corpora: was ('meld',), now ('mosi', 'mosei', 'meld', 'iemocap')",
      "  model.pmf_layers: was 2, now 3",
      "  seed: was 1, now 0",
    ]
    assert "new --workdir" in message[-1]
  assert json.loads(file.read_text())["seed"] == 1


def test_free_fields_may_differ_and_are_updated(tmp_path):
  with RunDir(tmp_path).hold(_CONFIG):
    pass
  longer = changed("train", epochs=_CONFIG.train.epochs + 6)
  RunDir(tmp_path).check_config(longer)
  assert RunDir(tmp_path).read_config() == _CONFIG
  with RunDir(tmp_path).hold(longer):
    pass
  assert RunDir(tmp_path).read_config() == longer


def test_a_field_that_is_not_free_may_not_differ(tmp_path):
  with RunDir(tmp_path).hold(_CONFIG):
    pass
  other = changed("train", batch_size=_CONFIG.train.batch_size + 1)
  with (
    pytest.raises(InputError, match="train.batch_size: was"),
    RunDir(tmp_path).hold(other),
  ):
    pass


def test_the_identity_of_a_run_is_that_of_its_fixed_fields():
  longer = changed("train", epochs=_CONFIG.train.epochs + 6)
  other = changed("train", batch_size=_CONFIG.train.batch_size + 1)
  stored = StoredConfig(_CONFIG, {}, {})
  fixed = fixed_fields(_CONFIG, stored)
  assert fixed["train.batch_size"] == _CONFIG.train.batch_size
  assert "train.epochs" not in fixed
  assert fixed_fields(longer, stored) == fixed != fixed_fields(other, stored)


def test_the_identity_of_an_older_run_is_that_of_the_fields_it_had():
  since, gone = {"train.average": 0.0}, {"data.mixing": 0.85}
  now = fixed_fields(_CONFIG, StoredConfig(_CONFIG, {}, {}))
  then = fixed_fields(_CONFIG, StoredConfig(_CONFIG, since, gone))
  assert now.pop("train.average") == 0.0
  assert then == now | gone


def test_an_older_run_keeps_its_fields_until_one_is_used(tmp_path, caplog):
  logging.set_verbosity(logging.INFO)
  file = RunDir(tmp_path).config_file
  values = config_lib.to_dict(_CONFIG)
  del values["train"]["patience"], values["train"]["average"]
  file.write_text(json.dumps(values))
  with RunDir(tmp_path).hold(_CONFIG):
    assert json.loads(file.read_text()) == values
  assert RunDir(tmp_path).read_config() == _CONFIG
  line = "older than 2 field(s), which are set to keep what was: "
  line += "train.average = 0.0, train.patience = 0."
  assert caplog.text.count(line) == 2
  with RunDir(tmp_path).hold(changed("train", patience=2)):
    values["train"]["patience"] = 2
    assert json.loads(file.read_text()) == values
  with pytest.raises(InputError, match="train.average: was 0.0, now 0.9"):
    RunDir(tmp_path).check_config(changed("train", average=0.9))


def test_a_run_with_a_field_that_is_gone_is_read_but_not_trained_on(tmp_path):
  file = RunDir(tmp_path).config_file
  values = config_lib.to_dict(_CONFIG)
  values["data"]["mixing"] = 0.85
  file.write_text(json.dumps(values))
  assert RunDir(tmp_path).read_config() == _CONFIG
  RunDir(tmp_path).check_config(_CONFIG)
  with (
    pytest.raises(InputError, match=r"data\.mixing \(how rows were dealt"),
    RunDir(tmp_path).hold(_CONFIG),
  ):
    pass
  assert json.loads(file.read_text()) == values


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_broken_config_is_refused(tmp_path, text):
  (tmp_path / "config.json").write_text(text)
  with (
    pytest.raises(InputError, match="config.json"),
    RunDir(tmp_path).hold(_CONFIG),
  ):
    pass
  assert (tmp_path / "config.json").read_text() == text


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path):
  (tmp_path / "file").write_text("")
  for path in (tmp_path / "file", tmp_path / "file" / "inner"):
    with (
      pytest.raises(InputError, match="writable"),
      RunDir(path).hold(_CONFIG),
    ):
      pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_workdir_is_refused(tmp_path):
  tmp_path.chmod(0o555)
  with (
    pytest.raises(InputError, match="writable"),
    RunDir(tmp_path).hold(_CONFIG),
  ):
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
    with (
      pytest.raises(InputError, match=expected),
      RunDir(tmp_path).hold(_CONFIG),
    ):
      pass
  finally:
    process.send_signal(signal.SIGKILL)
    process.communicate()
  # SIGKILL runs no clean-up: the lock has to go with the process.
  with RunDir(tmp_path).hold(_CONFIG):
    pass


def test_the_lock_ends_with_the_block(tmp_path):
  with pytest.raises(ZeroDivisionError), RunDir(tmp_path).hold(_CONFIG):
    raise ZeroDivisionError
  with (
    RunDir(tmp_path).hold(_CONFIG),
    pytest.raises(InputError),
    RunDir(tmp_path).hold(_CONFIG),
  ):
    pass
