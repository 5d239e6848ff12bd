"""What one process compiled, the next one reads."""

import os
import pathlib
import subprocess
import sys

import pytest

from unimse_jax import program_cache

_ROOT = pathlib.Path(__file__).parents[2]
_NAME = "JAX_COMPILATION_CACHE_DIR"
# A program that takes longer than the second from which on jax keeps it would
# make the test slow: the limit is lowered instead.
_SCRIPT = """
from unimse_jax import program_cache
program_cache.enable()
import jax
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
jax.jit(lambda x: (x @ x).sum())(jax.numpy.ones((50, 50))).block_until_ready()
print(sum(name.endswith("cache_hits") for name in events))
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> pathlib.Path:
  monkeypatch.delenv(_NAME, raising=False)
  monkeypatch.setenv("UNIMSE_CACHE", str(tmp_path / "cache"))
  return tmp_path


def hits(**variables: str) -> int:
  done = subprocess.run(
    [sys.executable, "-c", _SCRIPT],
    cwd=_ROOT,
    env=os.environ
    | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    | variables,
    capture_output=True,
    text=True,
    timeout=120,
    check=True,
  )
  return int(done.stdout)


def test_the_second_process_compiles_nothing(home):
  assert hits() == 0
  assert hits() > 0
  assert len([*home.glob("cache/programs/*/*")]) > 0


def test_an_empty_variable_turns_it_off(home):
  assert hits(**{_NAME: ""}) == 0
  assert hits(**{_NAME: ""}) == 0
  assert not (home / "cache").exists()


def test_a_folder_of_the_users_is_kept(home, monkeypatch):
  monkeypatch.setenv(_NAME, "/their/own")
  program_cache.enable()
  assert os.environ[_NAME] == "/their/own"


def test_a_cache_that_cannot_be_made_is_no_error(home, monkeypatch):
  (home / "cache").write_text("a file")
  program_cache.enable()
  assert _NAME not in os.environ


def test_machines_of_other_instructions_do_not_share(
  home, monkeypatch, tmp_path
):
  folders = set()
  for flags in ("flags : avx2", "flags : avx2 avx512f", "flags : avx2"):
    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"processor : 0\n{flags}\n")
    monkeypatch.setattr(program_cache, "_CPU", cpu)
    monkeypatch.delenv(_NAME, raising=False)
    program_cache.enable()
    folders.add(os.environ[_NAME])
  assert len(folders) == 2


@pytest.mark.parametrize(
  ("module", "keeps"),
  [("train", True), ("eval", True), ("benchmark", False)]
  + [("compile_check", False)],
)
def test_commands_that_time_compiling_keep_nothing(home, module, keeps):
  """Read back, a program would be reported as compiled in no time."""
  subprocess.run(
    [sys.executable, "-m", f"unimse_jax.{module}", "--no_such_flag"],
    cwd=_ROOT,
    capture_output=True,
    timeout=120,
    check=False,
  )
  assert (home / "cache/programs").exists() == keeps
