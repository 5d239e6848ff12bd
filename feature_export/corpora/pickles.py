"""Reads pickles of plain data without running code that they name.

A pickle is a program: loading one can call any function by name. Here only
the names that arrays, numbers and containers need are known; any other name
is refused before it is imported, let alone called.
"""

import builtins
import os
import pickle
from pathlib import Path

import numpy as np

from feature_export.errors import InputError

_BUILTINS = (
  *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset"),
  *("int", "list", "object", "set", "slice", "str", "tuple"),
)
_SCALARS = (
  *("bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),
  *("uint64", "float16", "float32", "float64", "str_", "bytes_"),
)


def _encode(text: str, encoding: str = "latin1") -> bytes:
  """What protocol 2 of Python 3 calls to write `bytes`; Latin-1 only."""
  if encoding not in ("latin1", "latin-1"):
    raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
  return text.encode("latin1")


def _known_names() -> dict[tuple[str, str], object]:
  """(module, name) -> what it stands for, old and new module paths alike."""
  known = {("_codecs", "encode"): _encode}
  for name in _BUILTINS:
    for module in ("builtins", "__builtin__"):
      known[module, name] = getattr(builtins, name)
  # Python 2's names.
  known["__builtin__", "unicode"] = str
  known["__builtin__", "long"] = int
  for name in ("ndarray", "dtype", *_SCALARS):
    known["numpy", name] = getattr(np, name)
  for core in ("numpy.core", "numpy._core"):
    for module, name in (
      ("multiarray", "_reconstruct"),
      ("multiarray", "scalar"),
      ("numeric", "_frombuffer"),
    ):
      known[f"{core}.{module}", name] = getattr(getattr(np._core, module), name)
  return known


_KNOWN = _known_names()


class _Refused(Exception):
  """A pickle names something that data does not need."""


class _DataUnpickler(pickle.Unpickler):
  """Knows the names of `_KNOWN` and no others; imports nothing."""

  def find_class(self, module: str, name: str) -> object:
    try:
      return _KNOWN[module, name]
    except KeyError:
      raise _Refused(f"{module}.{name}") from None


def load_pickle(path: Path) -> object:
  """Reads one pickle of arrays, numbers, texts and containers.

  Strings of Python 2 are read as Latin-1; `to_text` gives them their
  characters.

  Raises:
    InputError: no such file, empty, truncated, not a pickle, or one that
      names anything but plain data (nothing of it is run).
  """
  if not path.is_file():
    raise InputError(f"No pickle at {path}. Correct --raw.")
  if not os.path.getsize(path):
    raise InputError(f"{path} is empty; expected a pickle. Copy it again.")
  try:
    with path.open("rb") as file:
      return _DataUnpickler(file, encoding="latin1").load()
  except _Refused as refused:
    raise InputError(
      f"{path} is refused: expected a pickle of NumPy arrays and built-in "
      f"containers only, found the name {refused}, which loading would import "
      "and may run. Nothing was run. Get the file from its authors again, or "
      "save its arrays without that object."
    ) from refused
  except Exception as error:  # a damaged pickle can raise nearly anything
    raise InputError(
      f"{path}: expected a whole pickle, found a truncated or damaged one, or "
      f"another kind of file ({type(error).__name__}: {error}). Copy it again."
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
