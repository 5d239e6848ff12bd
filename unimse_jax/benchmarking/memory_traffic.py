"""What a compiled program moves between HBM and the chip of a TPU."""

import math
import re
from collections.abc import Iterator

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(
  r"^ +(?:ROOT )?%?(?P<name>[\w.\-]+) = (?P<result>.*?) "
  r"(?P<kind>[\w\-]+)\((?P<operands>.*)$"
)
# Computations that are part of one instruction, whose inside moves nothing.
_INNER = re.compile(r"(?:calls|to_apply)=%?([\w.\-]+)")
_ARRAY = re.compile(
  r"\b(?:pred|[a-z]+(?P<bits>\d+)\w*)\[(?P<sizes>[\d,]*)\](?P<layout>\{[^}]*\})?"
)
# A layout with S(n), n > 0, lies in the chip's own memory.
_ON_CHIP = re.compile(r"S\([1-9]")
# These give other names to what is there, or wait for what others move.
_STILL = {
  *("parameter", "constant", "tuple", "get-tuple-element", "bitcast"),
  *("while", "conditional", "call", "after-all", "copy-done", "slice-done"),
  *("all-reduce-done", "all-gather-done", "collective-permute-done"),
  "async-done",
}


def count_moved_bytes(text: str) -> float:
  """Bytes that the operations of a program read from HBM and write to it.

  Operands and results of every operation, those left out that the compiler
  keeps on the chip; XLA's own count ("bytes accessed") has them too.

  Args:
    text: optimised HLO of a TPU. The body of a loop counts once, an operand
      of which a part is read counts whole.
  """
  inner = set(_INNER.findall(text))
  results: dict[str, str] = {}
  total = 0.0
  for computation, match in _instructions(text):
    results[match["name"]] = match["result"]
    if computation not in inner and match["kind"] not in _STILL:
      total += _moved(match, results)
  return total


def _instructions(text: str) -> Iterator[tuple[str, re.Match]]:
  """Name of the computation, and the instruction."""
  computation = ""
  for line in text.splitlines():
    if header := _COMPUTATION.match(line):
      computation = header[1]
    elif match := _INSTRUCTION.match(line):
      yield computation, match


def _moved(match: re.Match, results: dict[str, str]) -> float:
  if match["kind"] in ("copy-start", "slice-start"):
    return _copied(match["result"])
  names = re.findall(r"%([\w.\-]+)", _inside(match["operands"]))
  operands = (results.get(name, "") for name in names)
  return _bytes(match["result"]) + sum(map(_bytes, operands))


def _copied(result: str) -> float:
  """Of an asynchronous copy: its two ends have the size of the smaller one."""
  ends = list(_ARRAY.finditer(result))[:2]
  size = min(map(_array_bytes, ends))
  return size * sum(not _on_chip(end) for end in ends)


def _inside(text: str) -> str:
  """Up to the parenthesis that closes the operands."""
  depth = 0
  for place, letter in enumerate(text):
    depth += (letter == "(") - (letter == ")")
    if depth < 0:
      return text[:place]
  return text


def _bytes(shapes: str) -> float:
  """Bytes in HBM of all arrays in a text such as "(f32[8]{0:S(1)}, u32[])"."""
  arrays = _ARRAY.finditer(shapes)
  return sum(_array_bytes(each) for each in arrays if not _on_chip(each))


def _on_chip(array: re.Match) -> bool:
  return bool(_ON_CHIP.search(array["layout"] or ""))


def _array_bytes(array: re.Match) -> float:
  sizes = array["sizes"]
  count = math.prod(map(int, sizes.split(","))) if sizes else 1
  return count * int(array["bits"] or 8) / 8
