"""What entry points turn into a message and exit status 2."""


class InputError(ValueError):
  """A mistake that the user can mend: a path, a flag, a file, a disk.

  Its message says what was expected, what was found and what to do, in words
  that need no traceback. Everything else that is raised is a fault of ours.
  """
