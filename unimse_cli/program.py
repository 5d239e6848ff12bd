"""Flags in; help, one message or the work's own exit status out.

Nothing is imported here that takes long, so that a wrong flag is told at once.
"""

import contextlib
import re
import sys
from collections.abc import Callable, Sequence

from absl import flags

USER_ERROR = 2  # exit status
INTERRUPTED = 130  # exit status after Ctrl-C, as shells count it
_HELP = frozenset(("--help", "-help", "-h", "--helpshort"))


def help_if_asked(
  arguments: Sequence[str], describe: Callable[[], str]
) -> None:
  """Prints the command's docstring and flags and exits with 0 on --help.

  absl's own help flag exits with 1.

  Args:
    arguments: command line, the program's name first.
    describe: gives the text that describes the flags.
  """
  if _HELP.isdisjoint(arguments[1:]):
    return
  # As in `--help | head`.
  with contextlib.suppress(BrokenPipeError):
    print(f"{sys.modules['__main__'].__doc__}\nflags:\n{describe()}")
  sys.exit(0)


def parse(values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
  """Parses flags; what has no flag before it is refused.

  Args:
    values: flags that are defined; they get the values.
    arguments: command line, the program's name first.

  Returns:
    The program's name alone, which absl hands on to the command.

  Raises:
    flags.Error: an unknown flag, an illegal value, missing or stray ones.
  """
  try:
    rest = values(arguments)
  except flags.Error as error:
    absent = re.findall(r"Flag (--\w+) must have a value other", str(error))
    if not absent:
      raise
    raise flags.Error(
      f"expected a value of {', '.join(absent)}, found none"
    ) from error
  if len(rest) > 1:
    raise flags.Error(f"expected flags only, found {' '.join(rest[1:])!r}")
  return rest


def run(
  command: Callable[[], int | None],
  explain: Callable[[Exception], str | None],
  interrupted: str = "Interrupted.",
) -> int:
  """Runs a command; a user's mistake is one message, a bug keeps its traceback.

  Args:
    command: work to do; it returns the exit status where nothing goes wrong.
    explain: gives the message for an exception; None: it is a bug.
    interrupted: message after Ctrl-C.

  Returns:
    The exit status.
  """
  try:
    return command() or 0
  except KeyboardInterrupt:
    print(interrupted, file=sys.stderr)
    return INTERRUPTED
  except Exception as error:
    message = explain(error)
    if message is None:
      raise
    return refuse(message)


def refuse(message: str) -> int:
  """Prints a message about a user's mistake; returns the exit status for it."""
  print(f"error: {message}", file=sys.stderr)
  return USER_ERROR
