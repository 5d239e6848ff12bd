"""What a pickle of plain data may hold: NumPy's names and values, checked.

A pickle makes an array by a call and then hands it a state. NumPy believes such
a state: one that takes the object flag off an object dtype makes it follow
eight bytes of the file as a pointer. So nothing of the file reaches NumPy here
as it is. The names stand for functions of this module. They accept exactly the
forms that NumPy writes, and make an array from checked bytes, shape and dtype.
"""

import math
import re
from collections.abc import Callable

import numpy as np

_MOST_DIMENSIONS = 16
_MOST_IN_KEY = 16  # items of a tuple that is a key
_LONGEST_SIDE = 2**40
_MOST_ROOM = 2**31  # elements of an array with a side of 0, that side aside
_LAST_CHARACTER = 0x10FFFF  # of Unicode

# Every element type whose bytes are plain values; O is a list of values.
_CODE = re.compile(r"b1|[iu][1248]|f[248]|[SU](0|[1-9]\d{0,8})|O[48]")
# The flags of a dtype that NumPy writes, by the kind of its elements.
_FLAGS = {"U": 8, "O": 63}

Key = str | bytes | int | float | None | np.generic


class BadPickle(ValueError):
  """A pickle that is damaged, or holds something else than plain data."""


class RefusedName(BadPickle):
  """A name of the pickle that plain data do not need."""


class StandIn:
  """Something that is no value by itself; only calls may take it."""


class Name(StandIn):
  """A known name, "module.name"."""

  def __init__(self, text: str):
    self.text = text


class Arguments(StandIn):
  """A tuple that holds stand-ins."""

  def __init__(self, items: tuple):
    self.items = items


class ElementType(StandIn):
  """A dtype: first only its code, then also its byte order.

  Attributes:
    code: kind and bytes, such as "f8"; U counts characters.
    order: "<", ">", "|" or "="; "": its state has not come yet.
  """

  def __init__(self, code: str):
    self.code, self.order = code, ""

  @property
  def kind(self) -> str:
    return self.code[0]

  @property
  def dtype(self) -> np.dtype:
    """The real dtype, made from checked text."""
    return np.dtype(("" if self.order == "|" else self.order) + self.code)

  def set_state(self, state: object) -> None:
    """Takes the byte order from the state that NumPy writes.

    Raises:
      BadPickle: any other state.
    """
    items = _items(state)
    if self.order or len(items) != 8:
      raise BadPickle(f"a dtype {self.code} with a state of another form")
    version, order, *parts, size, alignment, flags = items
    width = {"S": 1, "U": 4}.get(self.kind)
    sizes = (int(self.code[1:]) * width, width) if width else (-1, -1)
    plain = (
      all(type(each) is int for each in (version, size, alignment, flags))
      and version == 3
      and type(order) is str
      and order in ("<", ">", "|", "=")
      and all(part is None for part in parts)  # no fields, no subarrays
      and (size, alignment) == sizes
      and flags == _FLAGS.get(self.kind, 0)
    )
    if not plain:
      raise BadPickle(f"a dtype {self.code} with a state of another form")
    self.order = order


class EmptyArray(StandIn):
  """An array whose content has not come yet.

  Attributes:
    keys: keys of the memo that stand for it.
  """

  def __init__(self):
    self.keys: list[int] = []


def _items(value: object) -> tuple:
  """The items of a tuple of arguments or of a state."""
  if isinstance(value, Arguments):
    return value.items
  if type(value) is tuple:
    return value
  raise BadPickle(f"arguments that are no tuple but {type(value).__name__}")


def _to_bytes(value: object) -> bytes:
  """Bytes as they are, or as Python 2 wrote them: a string of Latin-1."""
  if type(value) is str:
    try:
      return value.encode("latin1")
    except UnicodeEncodeError as error:
      raise BadPickle("bytes that are no Latin-1") from error
  if type(value) in (bytes, bytearray):
    return bytes(value)
  raise BadPickle(f"data of the type {type(value).__name__}")


def _check_shape(shape: object) -> tuple[int, ...]:
  items = _items(shape)
  plain = len(items) <= _MOST_DIMENSIONS and all(
    type(side) is int and 0 <= side <= _LONGEST_SIDE for side in items
  )
  if not plain:
    raise BadPickle("an array's shape that is no tuple of lengths")
  return items


def _build_array(
  element: object, shape: object, order: str, data: object
) -> np.ndarray:
  """An array of checked bytes; it shares their memory and is read-only.

  Args:
    element: `ElementType` of plain values.
    shape: tuple of lengths.
    order: "C" or "F".
    data: bytes, exactly as many as that takes.
  """
  if not isinstance(element, ElementType) or not element.order:
    raise BadPickle("an array without a dtype")
  sides, content = _check_shape(shape), _to_bytes(data)
  dtype = element.dtype
  if math.prod(sides) * dtype.itemsize != len(content):
    raise BadPickle(
      f"an array of {math.prod(sides)} times {dtype.itemsize} bytes with "
      f"{len(content)} bytes of data"
    )
  if not content:
    # Texts of no characters have no bytes, so these do not limit their number;
    # and NumPy reserves memory for them.
    elements = math.prod(filter(None, sides))
    if elements > (_MOST_ROOM if dtype.itemsize else 1):
      raise BadPickle("an empty array of an absurd shape")
    return np.zeros(sides, dtype)
  flat = np.frombuffer(content, dtype)
  if element.kind == "U":
    characters = np.frombuffer(content, dtype.byteorder + "u4")
    if characters.max() > _LAST_CHARACTER:
      raise BadPickle("text with characters beyond Unicode")
  if element.kind == "b" and np.frombuffer(content, "u1").max() > 1:
    raise BadPickle("truth values that are neither 0 nor 1")
  return flat.reshape(sides, order=order)


def _build_objects(shape: object, order: str, values: object) -> np.ndarray:
  """An array of any plain values."""
  sides = _check_shape(shape)
  if type(values) is not list or len(values) != math.prod(sides):
    raise BadPickle("an array of objects without a list of as many")
  flat = np.empty(len(values), object)
  for place, value in enumerate(values):
    flat[place] = value
  return flat.reshape(sides, order=order)


def set_array_state(state: object) -> np.ndarray:
  """The array that a state of `ndarray` describes.

  Raises:
    BadPickle: any state that NumPy does not write for plain data.
  """
  items = _items(state)
  if len(items) != 5 or type(items[0]) is not int or items[0] != 1:
    raise BadPickle("an array with a state of another form")
  _, shape, element, is_fortran, data = items
  # Python 2 wrote truth values as the numbers 0 and 1.
  if type(is_fortran) not in (bool, int) or is_fortran not in (0, 1):
    raise BadPickle("an array without an order of its elements")
  order = "F" if is_fortran else "C"
  if isinstance(element, ElementType) and element.kind == "O":
    if not element.order:
      raise BadPickle("an array without a dtype")
    return _build_objects(shape, order, data)
  return _build_array(element, shape, order, data)


def _make_dtype(code: object, align: object, copy: object) -> ElementType:
  text = code.decode("latin1") if type(code) is bytes else code
  if type(text) is not str or not _CODE.fullmatch(text.lstrip("|<")):
    raise BadPickle("a dtype of other elements than plain numbers and texts")
  # bool(...) of Python 3, 0 and 1 of Python 2.
  if not all(type(each) in (bool, int) for each in (align, copy)) or align:
    raise BadPickle("a dtype with options")
  return ElementType(text.lstrip("|<"))


def _make_empty(kind: object, shape: object, code: object) -> EmptyArray:
  """`_reconstruct(ndarray, (0,), b"b")`: an array whose state follows."""
  named = isinstance(kind, Name) and kind.text == "numpy.ndarray"
  plain = named and _items(shape) == (0,) and _to_bytes(code) == b"b"
  if not plain:
    raise BadPickle("an array of another class")
  return EmptyArray()


def _make_scalar(element: object, data: object) -> np.generic:
  if isinstance(element, ElementType) and element.kind == "O":
    raise BadPickle("a scalar that is an object")
  return _build_array(element, (), "C", data)[()]


def _make_from_buffer(
  data: object, element: object, shape: object, order: object
) -> np.ndarray:
  if type(order) is not str or order not in ("C", "F"):
    raise BadPickle("an array without an order of its elements")
  return _build_array(element, shape, order, data)


def _is_latin(encoding: object) -> bool:
  return type(encoding) is str and encoding in ("latin1", "latin-1")


def _encode(text: object, encoding: object = "latin1") -> bytes:
  """What protocol 2 of Python 3 calls to write `bytes`."""
  if type(text) is not str or not _is_latin(encoding):
    raise BadPickle("bytes in another encoding than Latin-1")
  return _to_bytes(text)


def _make_bytes(*content: object) -> bytes:
  """`bytes()` or `bytearray(data)`; never a number of zero bytes."""
  if len(content) > 2 or (len(content) == 2 and not _is_latin(content[1])):
    raise BadPickle("bytes in another encoding than Latin-1")
  return _to_bytes(content[0]) if content else b""


def is_key(value: object) -> bool:
  """Whether a value may be a key: a scalar, or a short tuple of such.

  Hashing a nested tuple takes as long as it is deep and shared, without end.
  """
  if type(value) is tuple:
    return len(value) <= _MOST_IN_KEY and all(
      isinstance(each, Key) for each in value
    )
  return isinstance(value, Key)


def _make_set(items: object) -> set:
  if type(items) is not list or not all(map(is_key, items)):
    raise BadPickle("a set of other members than texts and numbers")
  return set(items)


def _make_frozenset(items: object) -> frozenset:
  return frozenset(_make_set(items))


def _make_complex(real: object, imaginary: object) -> complex:
  if type(real) is not float or type(imaginary) is not float:
    raise BadPickle("a complex number of other parts")
  return complex(real, imaginary)


def _known_calls() -> dict[str, Callable | None]:
  """Name -> its function; None: it is only an argument of others."""
  calls: dict[str, Callable | None] = {
    "_codecs.encode": _encode,
    "numpy.dtype": _make_dtype,
    "numpy.ndarray": None,
  }
  for core in ("numpy.core", "numpy._core"):
    calls[f"{core}.multiarray._reconstruct"] = _make_empty
    calls[f"{core}.multiarray.scalar"] = _make_scalar
    calls[f"{core}.numeric._frombuffer"] = _make_from_buffer
  for builtins in ("builtins", "__builtin__"):
    calls[f"{builtins}.bytes"] = _make_bytes
    calls[f"{builtins}.bytearray"] = _make_bytes
    calls[f"{builtins}.set"] = _make_set
    calls[f"{builtins}.frozenset"] = _make_frozenset
    calls[f"{builtins}.complex"] = _make_complex
  return calls


_CALLS = _known_calls()


def find_name(module: str, name: str) -> Name:
  """The stand-in of a known name; nothing is imported.

  Raises:
    RefusedName: any other name.
  """
  text = f"{module}.{name}"
  if text not in _CALLS or "." in name:
    raise RefusedName(text)
  return Name(text)


def call(function: object, arguments: object) -> object:
  """What a call of a known name gives.

  Raises:
    BadPickle: anything else that is called, or other arguments than NumPy's.
  """
  known = _CALLS[function.text] if isinstance(function, Name) else None
  if known is None:
    raise BadPickle(f"a call of {type(function).__name__}")
  try:
    return known(*_items(arguments))
  except TypeError as error:
    raise BadPickle(f"a call with other arguments: {function.text}") from error
