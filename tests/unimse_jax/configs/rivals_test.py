"""Every system has a config, and the other way round."""

import importlib
import pathlib

import pytest

from configs import demo, rivals
from unimse_jax import config as config_lib
from unimse_jax.config import Config
from unimse_jax.rivals import SYSTEMS, read_options, titles

_NAMES = [*titles()]


def load(name: str, parent: str) -> Config:
  module = importlib.import_module(f"configs.rivals.{name}")
  return config_lib.validate(module.get_config(parent).to_dict())


def test_every_system_has_a_file_and_a_title():
  files = pathlib.Path(rivals.__file__).parent.glob("[!_]*.py")
  assert sorted(file.stem for file in files) == sorted(_NAMES)
  assert len({*titles().values()}) == len(_NAMES)


@pytest.mark.parametrize("name", _NAMES)
def test_a_row_changes_its_parent_to_its_system(name):
  own, parent = load(name, "demo"), demo.get_config()
  assert own.rival.system == name
  assert own.name == f"demo_{name}"
  assert own.data.corpora == tuple(parent.data.corpora)
  if name in SYSTEMS:
    read_options(name, own.rival.options)
    if SYSTEMS[name].dialogues:
      assert own.text.window == 0
