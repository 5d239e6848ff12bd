"""Tests of what the commands of both packages share."""

import sys

import pytest
from absl import flags

from unimse_cli import program


def _raise(error: BaseException):
  def command() -> int:
    raise error

  return command


def _explain(error: Exception) -> str | None:
  return f"{error}." if isinstance(error, ValueError) else None


@pytest.fixture
def values() -> flags.FlagValues:
  values = flags.FlagValues()
  flags.DEFINE_integer("jobs", 1, "Number of processes.", flag_values=values)
  return values


@pytest.mark.parametrize(
  ("error", "status", "message"),
  [
    (ValueError("no corpus"), 2, "error: no corpus.\n"),
    (KeyboardInterrupt(), 130, "Stopped.\n"),
  ],
)
def test_a_users_mistake_is_one_message(capsys, error, status, message):
  assert program.run(_raise(error), _explain, "Stopped.") == status
  output = capsys.readouterr()
  assert (output.out, output.err) == ("", message)


def test_the_commands_status_is_passed_on_and_bugs_are_not_hidden():
  assert program.run(lambda: 3, _explain) == 3
  assert program.run(lambda: None, _explain) == 0
  with pytest.raises(KeyError):
    program.run(_raise(KeyError("bug")), _explain)


def test_flags_get_their_values(values):
  assert program.parse(values, ["train", "--jobs", "3"]) == ["train"]
  assert values.jobs == 3


@pytest.mark.parametrize(
  ("argument", "message"),
  [
    ("--job=2", "Did you mean: jobs"),
    ("--jobs=many", "flag --jobs=many: "),
    ("stray", "expected flags only, found 'stray'"),
  ],
)
def test_flags_that_are_wrong_are_named(values, argument, message):
  with pytest.raises(flags.Error, match=message):
    program.parse(values, ["train", argument])


@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_help_is_no_error(capsys, monkeypatch, asked):
  monkeypatch.setitem(sys.modules, "__main__", program)
  with pytest.raises(SystemExit) as ended:
    program.help_if_asked(["train", "--no", asked], lambda: "  --jobs: N")
  assert ended.value.code == 0
  assert capsys.readouterr().out == f"{program.__doc__}\nflags:\n  --jobs: N\n"


def test_help_is_shown_only_where_it_is_asked_for(capsys):
  program.help_if_asked(["--help", "--jobs=2"], lambda: "")
  assert capsys.readouterr().out == ""


def test_flags_that_must_be_given_are_named_in_one_sentence(values):
  for name in ("data", "out"):
    flags.DEFINE_string(name, None, "A place.", flag_values=values)
    flags.mark_flag_as_required(name, flag_values=values)
  with pytest.raises(flags.Error) as refused:
    program.parse(values, ["program", "--jobs=2"])
  assert str(refused.value) == "expected a value of --data, --out, found none"
  with pytest.raises(flags.Error, match="jobs=two"):
    program.parse(values, ["program", "--data=d", "--out=o", "--jobs=two"])
