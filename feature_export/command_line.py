"""What all commands share: flags in, one message and status 2 on a mistake.

Anything else that escapes is a bug and keeps its traceback.
"""

import functools
import sys
from collections.abc import Callable, Sequence

from absl import flags

from feature_export import options
from feature_export.errors import InputError
from unimse_cli import program


def run(
  kinds: Sequence[type],
  command: Callable[..., int],
  arguments: Sequence[str] | None = None,
  interrupted: str = "Interrupted.",
) -> int:
  """Parses the flags and runs a command.

  Args:
    kinds: dataclasses of options, see `options.option`; their fields are the
      command's flags.
    command: the work; takes an object of each kind and returns the exit status
      where nothing goes wrong.
    arguments: command line without the program's name; None: this process's.
    interrupted: message after Ctrl-C.

  Returns:
    The exit status.
  """
  # Not absl's own flags, which all commands of a process would share.
  values = flags.FlagValues()
  for kind in kinds:
    options.define(values, kind)
  line = [sys.argv[0], *(sys.argv[1:] if arguments is None else arguments)]
  program.help_if_asked(
    line, functools.partial(values.get_help, include_special_flags=False)
  )

  def parse_and_run() -> int:
    program.parse(values, line)
    return command(*(options.read(values, kind) for kind in kinds))

  return program.run(parse_and_run, _explain, interrupted)


def _explain(error: Exception) -> str | None:
  """What a user can do about an exception; None: it is a bug."""
  if isinstance(error, InputError | flags.Error):
    return str(error)
  if isinstance(error, OSError):
    return f"Reading or writing failed: {error}"
  return None
