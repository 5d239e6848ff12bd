"""What all commands share: one message and exit status 2 for a user's mistake.

Anything else that escapes is a bug and keeps its traceback.
"""

import sys
from collections.abc import Callable

from feature_export.errors import InputError

USER_ERROR = 2  # exit status
INTERRUPTED = 130  # exit status after Ctrl-C, as shells count it


def run(command: Callable[[], int], interrupted: str = "Interrupted.") -> int:
  """Runs a command.

  Args:
    command: the work; returns the exit status where nothing goes wrong.
    interrupted: message after Ctrl-C.

  Returns:
    The exit status.
  """
  try:
    return command()
  except InputError as error:
    print(error, file=sys.stderr)
    return USER_ERROR
  except OSError as error:
    print(f"Reading or writing failed: {error}", file=sys.stderr)
    return USER_ERROR
  except KeyboardInterrupt:
    print(interrupted, file=sys.stderr)
    return INTERRUPTED
