"""Tests of what all commands share."""

import pytest

from feature_export import command_line
from feature_export.errors import InputError


def _raise(error: BaseException):
  def command() -> int:
    raise error

  return command


@pytest.mark.parametrize(
  ("error", "status", "message"),
  [
    (InputError("No raw corpus."), 2, "No raw corpus.\n"),
    (OSError(28, "No space"), 2, "Reading or writing failed: [Errno 28] No "),
    (KeyboardInterrupt(), 130, "Stopped.\n"),
  ],
)
def test_a_users_mistake_is_one_message(capsys, error, status, message):
  assert command_line.run(_raise(error), interrupted="Stopped.") == status
  output = capsys.readouterr()
  assert output.err.startswith(message)
  assert output.out == ""


def test_the_commands_status_is_passed_on_and_bugs_are_not_hidden():
  assert command_line.run(lambda: 1) == 1
  with pytest.raises(KeyError):
    command_line.run(_raise(KeyError("bug")))
