"""Tests of what all commands share."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from feature_export import command_line
from feature_export.errors import InputError
from feature_export.options import option

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class _Options:
  """What is done."""

  jobs: int = option("Number of processes.", 1)


def _raise(error: BaseException):
  def command(options: _Options) -> int:
    raise error

  return command


@pytest.mark.parametrize(
  ("error", "status", "message"),
  [
    (InputError("No raw corpus."), 2, "error: No raw corpus.\n"),
    (OSError(28, "No space"), 2, "error: Reading or writing failed: [Errno"),
    (KeyboardInterrupt(), 130, "Stopped.\n"),
  ],
)
def test_a_users_mistake_is_one_message(capsys, error, status, message):
  run = command_line.run
  assert run([_Options], _raise(error), [], interrupted="Stopped.") == status
  output = capsys.readouterr()
  assert output.err.startswith(message)
  assert output.out == ""


def test_the_commands_status_is_passed_on_and_bugs_are_not_hidden():
  assert command_line.run([_Options], lambda options: 1, []) == 1
  with pytest.raises(KeyError):
    command_line.run([_Options], _raise(KeyError("bug")), [])


def test_a_command_gets_its_own_options_at_each_call():
  def jobs(options: _Options) -> int:
    return options.jobs

  assert command_line.run([_Options], jobs, ["--jobs", "7"]) == 7
  assert command_line.run([_Options], jobs, []) == 1


def test_a_wrong_flag_is_one_message(capsys):
  assert command_line.run([_Options], _raise(KeyError()), ["--job=2"]) == 2
  error = capsys.readouterr().err
  assert error.startswith("error: Unknown command line flag 'job'. Did you mea")


@pytest.mark.parametrize(
  ("command", "flags"),
  [
    ("clips", ["--manifest:", "--settings:", "--jobs:"]),
    ("utterances", ["--media:", "--transcript:", "--asr:"]),
    ("export", ["--corpus:", "--frames:", "--[no]audio:", "--beam_runner:"]),
    ("statistics", ["--data:", "--json:"]),
    ("universal_labels", ["--corpora:", "--ties:", "--k:", "--audit:"]),
    ("verify", ["--data:"]),
  ],
)
def test_help_is_no_error_and_imports_nothing_that_takes_long(command, flags):
  script = (
    "import atexit, runpy, sys\n"
    "slow = {'torch', 'tensorflow', 'librosa', 'triton', 'cv2', 'av'}\n"
    "atexit.register(lambda: print('slow:', slow & sys.modules.keys()))\n"
    "sys.argv = ['command', '--help']\n"
    f"runpy.run_module('feature_export.{command}', run_name='__main__')\n"
  )
  done = subprocess.run(
    [sys.executable, "-c", script],
    env={**os.environ, "PYTHONPATH": str(_ROOT)},
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert done.returncode == 0, done.stderr
  assert all(f"  {flag} " in done.stdout for flag in flags), done.stdout
  assert done.stdout.endswith("slow: set()\n")
