"""Reads pickles of plain data; no code that they name is ever run.

A pickle is a program: Python's own reader calls any function by name, and sets
any state of what they return. Here the program is run by `pickle_machine`,
which knows plain data alone.
"""

from pathlib import Path

import numpy as np

from feature_export.corpora.pickle_machine import PickleMachine
from feature_export.corpora.pickle_values import RefusedName
from feature_export.errors import InputError
from feature_export.files import check_is_no_pointer
from unimse_cli import storage


def load_pickle(path: Path) -> object:
  """Reads one pickle of arrays, numbers, texts and containers.

  Strings of Python 2 are read as Latin-1; `to_text` gives them their
  characters. Arrays are read-only, and a bytearray comes as bytes.

  Raises:
    InputError: no such file, empty, truncated, not a pickle, or one that
      holds anything but plain data (nothing of it is run).
  """
  if not path.is_file():
    raise InputError(f"No pickle at {path}. Correct --raw.")
  check_is_no_pointer(path)
  size = path.stat().st_size
  if not size:
    raise InputError(f"{path} is empty; expected a pickle. Copy it again.")
  try:
    with storage.fetch(str(path)).open("rb") as file:
      return PickleMachine(file, size).run()
  except RefusedName as refused:
    raise InputError(
      f"{path} is refused: expected a pickle of NumPy arrays and built-in "
      f"containers only, found the name {refused}, which loading would import "
      "and may run. Nothing was run. Get the file from its authors again, or "
      "save its arrays without that object."
    ) from refused
  except Exception as error:  # a damaged pickle can raise nearly anything
    raise InputError(
      f"{path}: expected a whole pickle of plain data, found a truncated or "
      "damaged one, one that holds other objects, or another kind of file "
      f"({type(error).__name__}: {error}). Copy it again, or save its arrays "
      "in plain containers."
    ) from error


def to_text(value: object) -> str:
  """The text of a string, of bytes, or of a list of words.

  Python 2 wrote UTF-8 bytes, which come here as Latin-1: they are read again
  as UTF-8 where they are valid UTF-8, which a text that was meant as Latin-1
  practically never is.
  """
  if isinstance(value, np.ndarray):
    value = value.tolist()
  if isinstance(value, (list, tuple)):
    return " ".join(map(to_text, value))
  if isinstance(value, bytes):
    value = value.decode("latin1")
  text = str(value)
  try:
    return text.encode("latin1").decode("utf-8").strip()
  except UnicodeError:
    return text.strip()
