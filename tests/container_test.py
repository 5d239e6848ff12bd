"""The container file is sound, and what it copies is what it installs."""

import configparser
import fnmatch
import pathlib
import re
import shutil
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parents[1]
_FILE = _ROOT / "containers" / "Containerfile"


def program(name: str) -> str:
  """A program that an extra has brought, or the machine has."""
  beside = pathlib.Path(sys.executable).with_name(name)
  found = str(beside) if beside.exists() else shutil.which(name)
  assert found, f"expected {name}, of the extra test"
  return found


def test_hadolint_finds_nothing():
  done = subprocess.run(
    [program("hadolint"), str(_FILE)], capture_output=True, text=True
  )
  assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_all_packages_and_configs_and_nothing_else():
  """`.dockerignore` names what stays: all that setup.cfg installs."""
  lines = (_ROOT / ".dockerignore").read_text().split("\n")
  assert lines[1] == "*"
  kept = {line[1:] for line in lines if line.startswith("!")}
  package = configparser.ConfigParser()
  package.read(_ROOT / "setup.cfg")
  patterns = package["options.packages.find"]["include"].split()
  installed = {
    path.parent.name
    for path in _ROOT.glob("*/__init__.py")
    if any(fnmatch.fnmatch(path.parent.name, each) for each in patterns)
  }
  needed = {"configs", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"}
  assert kept == installed | needed


def test_extras_and_commands_of_the_image_are_there():
  text = _FILE.read_text()
  package = configparser.ConfigParser()
  package.read(_ROOT / "setup.cfg")
  (extras,) = re.findall(r"/opt/unimse_jax\[([\w,]+)\]", text)
  assert set(extras.split(",")) <= set(package["options.extras_require"])
  assert 'ENTRYPOINT ["python", "-m", "unimse_jax.train"]' in text
  assert (
    re.search(r"^FROM (\S+)$", text, re.M)[1]
    in (_ROOT / "docs" / "gpu.md").read_text()
  )
