"""Starts processes that leave the user's script alone."""

import contextlib
import sys
import types
from collections.abc import Iterator


@contextlib.contextmanager
def without_main_module() -> Iterator[None]:
  """Keeps processes started inside from importing the module that is run.

  Python imports it in every new process, so that objects of its classes can be
  sent. A script without `if __name__ == "__main__"` would so run once more in
  each of them, and one that comes from stdin cannot be imported at all. The
  exporter sends nothing that is defined in there.
  """
  main = sys.modules["__main__"]
  sys.modules["__main__"] = types.ModuleType("__main__")
  try:
    yield
  finally:
    sys.modules["__main__"] = main
