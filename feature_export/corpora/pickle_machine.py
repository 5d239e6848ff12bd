"""Runs a pickle of plain data: a machine that knows few instructions.

A pickle is a program for a stack machine. Python's own machine imports and
calls what the program names, and reserves memory or recurses as it says. This
one makes None, truth values, numbers, texts, bytes and containers by itself,
and NumPy's arrays by `pickle_values`; everything else is an error. Lengths are
checked against the bytes that are left in the file before anything is
reserved, and so are depth, numbers and what sharing unfolds to.
"""

import codecs
import struct
from collections.abc import Callable
from typing import BinaryIO

from feature_export.corpora import pickle_values
from feature_export.corpora.pickle_extent import check_extent
from feature_export.corpora.pickle_values import (
  Arguments,
  BadPickle,
  ElementType,
  EmptyArray,
  StandIn,
)

# Containers, arrays, marks and entries of the memo: all that takes much more
# memory than it has bytes in the file. The authors' 46,000 samples, some thirty
# of these each, are far below.
_MOST_OBJECTS = 10_000_000
_LONGEST_NUMBER = 64  # characters of a written number
_MOST_INTEGER_BYTES = 9  # 64 bits and a sign
_LONGEST_NAME = 256

_HANDLERS: dict[int, tuple[str, tuple]] = {}


def _on(*codes: bytes, **sizes: bytes) -> Callable:
  """Registers a method for opcodes; each may bring an argument's format."""

  def register(method: Callable) -> Callable:
    for code in codes:
      _HANDLERS[code[0]] = (method.__name__, ())
    for layout, chosen in sizes.items():
      for code in chosen:
        _HANDLERS[code] = (method.__name__, (_LAYOUTS[layout],))
    return method

  return register


_LAYOUTS = {
  "u1": struct.Struct("<B"),
  "u2": struct.Struct("<H"),
  "i4": struct.Struct("<i"),
  "u4": struct.Struct("<I"),
  "u8": struct.Struct("<Q"),
  "f8": struct.Struct(">d"),
}


def _check_values(values: list) -> list:
  """Values for a container; a stand-in is none.

  Raises:
    BadPickle: names, types or unfinished arrays among them.
  """
  for value in values:
    if isinstance(value, StandIn):
      raise BadPickle(f"a container of {type(value).__name__}")
  return values


class PickleMachine:
  """Reads one pickle.

  The stack is cut at marks: `_stack` is what lies above the last one, `_below`
  the parts below.
  """

  def __init__(self, file: BinaryIO, size: int):
    """Prepares to read.

    Args:
      file: pickle, opened for reading bytes.
      size: bytes from here to its end.
    """
    self._file, self._left = file, size
    self._stack: list = []
    self._below: list[list] = []
    self._memo: dict[int, object] = {}
    self._objects = 0

  def run(self) -> object:
    """Runs the pickle to its end.

    Returns:
      None, bool, int, float, complex, str, bytes, list, tuple, dict, set,
      frozenset, NumPy scalars and arrays; arrays are read-only.

    Raises:
      BadPickle: damaged, or anything else than plain data.
    """
    handlers = {
      code: (getattr(self, name), arguments)
      for code, (name, arguments) in _HANDLERS.items()
    }
    while True:
      code = self._take(1)[0]
      if code == ord("."):
        break
      if code not in handlers:
        raise BadPickle(f"the instruction {code:#04x}")
      handler, arguments = handlers[code]
      handler(*arguments)
    value = self._pop()
    _check_values([value])
    check_extent(value)
    return value

  def _take(self, count: int) -> bytes:
    """The next bytes of the file."""
    if count > self._left:
      raise BadPickle(f"{count} bytes are announced, {self._left} are left")
    self._left -= count
    content = self._file.read(count)
    if len(content) < count:
      raise BadPickle("the file became shorter")
    return content

  def _line(self, longest: int | None = None) -> bytes:
    """The next line of the file, without its end."""
    most = self._left if longest is None else min(self._left, longest + 1)
    line = self._file.readline(most)
    self._left -= len(line)
    if line[-1:] != b"\n":
      raise BadPickle("a line without an end")
    return line[:-1].removesuffix(b"\r")

  def _number(self, layout: struct.Struct) -> int | float:
    return layout.unpack(self._take(layout.size))[0]

  def _count_object(self) -> None:
    self._objects += 1
    if self._objects > _MOST_OBJECTS:
      raise BadPickle(f"more than {_MOST_OBJECTS} containers")

  def _push(self, value: object) -> None:
    self._stack.append(value)

  def _pop(self) -> object:
    if not self._stack:
      raise BadPickle("an empty stack")
    return self._stack.pop()

  def _pop_mark(self) -> list:
    """The values above the last mark."""
    if not self._below:
      raise BadPickle("no mark")
    values, self._stack = self._stack, self._below.pop()
    return values

  def _top(self, kind: type) -> object:
    """The value on top, which must be of a type."""
    if not self._stack or type(self._stack[-1]) is not kind:
      raise BadPickle(f"no {kind.__name__} where one is due")
    return self._stack[-1]

  # Beginning, frames: they carry nothing that is needed.

  @_on(u1=b"\x80")
  def _do_protocol(self, layout) -> None:
    if not 0 <= self._number(layout) <= 5:
      raise BadPickle("a protocol beyond 5")

  @_on(u8=b"\x95")
  def _do_frame(self, layout) -> None:
    if self._number(layout) > self._left:
      raise BadPickle("a frame beyond the end of the file")

  # Scalars.

  @_on(b"N")
  def _do_none(self) -> None:
    self._push(None)

  @_on(b"\x88")
  def _do_true(self) -> None:
    self._push(True)

  @_on(b"\x89")
  def _do_false(self) -> None:
    self._push(False)

  @_on(u1=b"K", u2=b"M", i4=b"J", f8=b"G")
  def _do_number(self, layout) -> None:
    self._push(self._number(layout))

  @_on(u1=b"\x8a", u4=b"\x8b")
  def _do_integer(self, layout) -> None:
    count = self._number(layout)
    if count > _MOST_INTEGER_BYTES:
      raise BadPickle("an integer of more than 64 bits")
    self._push(int.from_bytes(self._take(count), "little", signed=True))

  @_on(b"I", b"L")
  def _do_written_integer(self) -> None:
    text = self._line(_LONGEST_NUMBER)
    if text in (b"00", b"01"):  # how protocol 0 writes truth values
      self._push(text == b"01")
      return
    value = int(text.removesuffix(b"L"))
    if value.bit_length() > 64:
      raise BadPickle("an integer of more than 64 bits")
    self._push(value)

  @_on(b"F")
  def _do_written_float(self) -> None:
    self._push(float(self._line(_LONGEST_NUMBER)))

  # Texts and bytes. Strings of Python 2 are read as Latin-1.

  @_on(u1=b"\x8c", u4=b"X", u8=b"\x8d")
  def _do_text(self, layout) -> None:
    self._push(str(self._take(self._number(layout)), "utf-8", "surrogatepass"))

  @_on(u1=b"C", u4=b"B", u8=b"\x8e\x96")
  def _do_bytes(self, layout) -> None:
    self._push(self._take(self._number(layout)))

  @_on(u1=b"U", i4=b"T")
  def _do_old_string(self, layout) -> None:
    count = self._number(layout)
    if count < 0:
      raise BadPickle("a string of negative length")
    self._push(self._take(count).decode("latin1"))

  @_on(b"S")
  def _do_quoted_string(self) -> None:
    text = self._line().strip()
    if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
      raise BadPickle("a string without quotes")
    self._push(codecs.escape_decode(text[1:-1])[0].decode("latin1"))

  @_on(b"V")
  def _do_written_text(self) -> None:
    self._push(str(self._line(), "raw-unicode-escape"))

  # Containers.

  @_on(b"(")
  def _do_mark(self) -> None:
    self._count_object()
    self._below.append(self._stack)
    self._stack = []

  @_on(b"0")
  def _do_pop(self) -> None:
    if self._stack:
      self._stack.pop()
    else:
      self._pop_mark()

  @_on(b"1")
  def _do_pop_mark(self) -> None:
    self._pop_mark()

  @_on(b"2")
  def _do_duplicate(self) -> None:
    value = self._pop()
    self._stack += [value, value]

  @_on(b"]")
  def _do_empty_list(self) -> None:
    self._count_object()
    self._push([])

  @_on(b"}")
  def _do_empty_dict(self) -> None:
    self._count_object()
    self._push({})

  @_on(b"\x8f")
  def _do_empty_set(self) -> None:
    self._count_object()
    self._push(set())

  @_on(b")")
  def _do_empty_tuple(self) -> None:
    self._push(())

  @_on(b"l")
  def _do_list(self) -> None:
    self._push(_check_values(self._pop_mark()))

  @_on(b"a")
  def _do_append(self) -> None:
    (value,) = _check_values([self._pop()])
    self._top(list).append(value)

  @_on(b"e")
  def _do_extend(self) -> None:
    values = _check_values(self._pop_mark())
    self._top(list).extend(values)

  def _push_tuple(self, values: list) -> None:
    self._count_object()
    plain = not any(isinstance(each, StandIn) for each in values)
    self._push(tuple(values) if plain else Arguments(tuple(values)))

  @_on(b"t")
  def _do_tuple(self) -> None:
    self._push_tuple(self._pop_mark())

  @_on(b"\x85")
  def _do_tuple_of_1(self) -> None:
    self._push_tuple([self._pop()])

  @_on(b"\x86")
  def _do_tuple_of_2(self) -> None:
    last, first = self._pop(), self._pop()
    self._push_tuple([first, last])

  @_on(b"\x87")
  def _do_tuple_of_3(self) -> None:
    last, middle, first = self._pop(), self._pop(), self._pop()
    self._push_tuple([first, middle, last])

  def _set_items(self, values: list) -> None:
    """Puts keys and values, in turns, into the dict on top."""
    _check_values(values)
    if len(values) % 2 or not all(map(pickle_values.is_key, values[::2])):
      raise BadPickle("a dict with other keys than texts and numbers")
    self._top(dict).update(zip(values[::2], values[1::2], strict=True))

  @_on(b"d")
  def _do_dict(self) -> None:
    values = self._pop_mark()
    self._push({})
    self._set_items(values)

  @_on(b"s")
  def _do_set_item(self) -> None:
    value, key = self._pop(), self._pop()
    self._set_items([key, value])

  @_on(b"u")
  def _do_set_items(self) -> None:
    self._set_items(self._pop_mark())

  @_on(b"\x90")
  def _do_add_items(self) -> None:
    values = _check_values(self._pop_mark())
    if not all(map(pickle_values.is_key, values)):
      raise BadPickle("a set of other members than texts and numbers")
    self._top(set).update(values)

  @_on(b"\x91")
  def _do_frozen_set(self) -> None:
    members = pickle_values.call(
      pickle_values.find_name("builtins", "frozenset"),
      (_check_values(self._pop_mark()),),
    )
    self._push(members)

  # The memo: values that the pickle uses again.

  def _remember(self, key: int) -> None:
    self._count_object()
    value = self._pop()
    self._push(value)
    if isinstance(value, EmptyArray):
      value.keys.append(key)
    self._memo[key] = value

  def _recall(self, key: int) -> None:
    if key not in self._memo:
      raise BadPickle(f"no value {key} to be used again")
    self._push(self._memo[key])

  @_on(b"\x94")
  def _do_memoize(self) -> None:
    self._remember(len(self._memo))

  @_on(u1=b"q", u4=b"r")
  def _do_put(self, layout) -> None:
    self._remember(self._number(layout))

  @_on(b"p")
  def _do_written_put(self) -> None:
    self._remember(int(self._line(_LONGEST_NUMBER)))

  @_on(u1=b"h", u4=b"j")
  def _do_get(self, layout) -> None:
    self._recall(self._number(layout))

  @_on(b"g")
  def _do_written_get(self) -> None:
    self._recall(int(self._line(_LONGEST_NUMBER)))

  # Names and calls.

  @_on(b"c")
  def _do_global(self) -> None:
    module, name = self._line(_LONGEST_NAME), self._line(_LONGEST_NAME)
    self._push(pickle_values.find_name(module.decode(), name.decode()))

  @_on(b"\x93")
  def _do_stack_global(self) -> None:
    name, module = self._pop(), self._pop()
    if type(name) is not str or type(module) is not str:
      raise BadPickle("a name that is no text")
    self._push(pickle_values.find_name(module, name[:_LONGEST_NAME]))

  @_on(b"R")
  def _do_call(self) -> None:
    arguments, function = self._pop(), self._pop()
    self._count_object()
    self._push(pickle_values.call(function, arguments))

  @_on(b"b")
  def _do_build(self) -> None:
    state, target = self._pop(), self._pop()
    if isinstance(target, ElementType):
      target.set_state(state)
      self._push(target)
    elif isinstance(target, EmptyArray):
      array = pickle_values.set_array_state(state)
      for key in target.keys:
        if self._memo[key] is target:
          self._memo[key] = array
      self._push(array)
    else:
      raise BadPickle(f"a state for {type(target).__name__}")
