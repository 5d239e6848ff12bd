"""Configs run from any folder, and never take another's module `configs`."""

import os
import pathlib
import subprocess
import sys

import pytest

from unimse_jax.config import files
from unimse_jax.errors import InputError

_ROOT = pathlib.Path(__file__).parents[2]
_SCRIPT = """
import sys
from unimse_jax import command_line
print(command_line.load_config(sys.argv[1:]).name)
"""


def name_of(folder: pathlib.Path, *arguments: str) -> str:
  done = subprocess.run(
    [sys.executable, "-c", _SCRIPT, *arguments],
    cwd=folder,
    env={**os.environ, "PYTHONPATH": str(_ROOT)},
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert done.returncode == 0, done.stderr
  return done.stdout.strip()


@pytest.mark.parametrize(
  ("value", "name"),
  [
    ("demo", "demo"),
    ("configs/demo.py", "demo"),
    (str(_ROOT / "configs/demo.py"), "demo"),
    ("ablations/without_audio:demo", "demo_without_audio"),
    (f"{_ROOT}/configs/ablations/without_audio.py", "base_without_audio"),
  ],
)
def test_a_config_runs_from_a_folder_with_a_module_configs(
  tmp_path, value, name
):
  (tmp_path / "configs").mkdir()
  (tmp_path / "configs/__init__.py").write_text("raise RuntimeError")
  assert name_of(tmp_path, f"--config={value}") == name
  assert name_of(tmp_path, "--config", value) == name


def test_a_users_own_file_imports_the_shipped_configs(tmp_path):
  (tmp_path / "mine.py").write_text(
    "from configs import demo\n\n\n"
    "def get_config():\n"
    "  config = demo.get_config()\n"
    "  config.name = 'mine'\n"
    "  return config\n"
  )
  assert name_of(tmp_path, "--config=mine.py") == "mine"


def test_a_users_own_package_of_configs_is_its_own(tmp_path):
  folder = tmp_path / "configs"
  folder.mkdir()
  (folder / "__init__.py").write_text("")
  (folder / "start.py").write_text(
    (_ROOT / "configs/base.py").read_text(encoding="utf-8")
  )
  (folder / "mine.py").write_text(
    "from configs import start\n\n\n"
    "def get_config():\n"
    "  config = start.get_config()\n"
    "  config.name = 'theirs'\n"
    "  return config\n"
  )
  assert name_of(tmp_path, "--config=configs/mine.py") == "theirs"


def test_an_unknown_name_lists_the_shipped_ones():
  with pytest.raises(InputError, match="authors, base, demo.* no 'demoo'"):
    files.find("demoo")
