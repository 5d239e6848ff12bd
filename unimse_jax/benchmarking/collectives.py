"""What the devices of a compiled program send to each other."""

import dataclasses
import math
import re

_OPERATION = re.compile(
  r" = (?P<result>.*?) (?P<kind>all-reduce|all-gather|reduce-scatter"
  r"|all-to-all|collective-permute)(?P<start>-start)?\("
)
_SHAPE = re.compile(r"\b(?:pred|[a-z]+(?P<bits>\d+)\w*)\[(?P<sizes>[\d,]*)\]")
# Devices of one group: all listed; as [groups, devices of each]; or as axes of
# a mesh of named sizes, of which "'x':(2)4" is a part of size 4.
_LISTED = re.compile(r"replica_groups=\{\{([\d,]+)\}")
_COUNTED = re.compile(r"replica_groups=\[\d+,(\d+)\]")
_MESH = re.compile(r"replica_groups=mesh\[(.*?)\][^{]*\{(.*?)\}")
# An operation that runs beside others stands in several fusions.
_CHANNEL = re.compile(r"channel_id=(\d+)")
_AXIS = re.compile(r"'(\w+)'(?::\(\d+\)(\d+))?")


@dataclasses.dataclass(frozen=True)
class Traffic:
  """The collectives of one kind.

  Attributes:
    count: number of operations.
    sent_bytes: bytes that one device sends in all of them.
  """

  count: int
  sent_bytes: float


def count_traffic(text: str, devices: int) -> dict[str, Traffic]:
  """Kind -> collectives in the text of a compiled program.

  Args:
    text: optimised HLO. The body of a loop counts once.
    devices: number of devices that it runs on, which is the size of a group
      where the text names none.
  """
  found: dict[str, Traffic] = {}
  seen: set[str] = set()
  scatters = False
  for line in text.splitlines():
    if line.endswith("{"):
      # A TPU's fusion of an all-reduce and the choice of the own part.
      scatters = line.startswith("%all-reduce-scatter")
    match = _OPERATION.search(line)
    channel = _CHANNEL.search(line)
    if match is None or (channel and channel[1] in seen):
      continue
    seen.update(channel.groups() if channel else ())
    kind, group = match["kind"], _group_size(line, devices)
    size = _size(match["result"])
    if match["start"]:
      size *= _share_of_result(kind, group)
    if scatters:
      kind, size = "reduce-scatter", size / group
    before = found.get(kind, Traffic(0, 0.0))
    sent = before.sent_bytes + size * _sent_share(kind, group)
    found[kind] = Traffic(before.count + 1, sent)
  return dict(sorted(found.items()))


def _sent_share(kind: str, group: int) -> float:
  """Bytes that a device sends in a ring, over the bytes of its result."""
  return {
    "all-reduce": 2 * (group - 1) / group,
    "all-gather": (group - 1) / group,
    "reduce-scatter": group - 1,
    "all-to-all": (group - 1) / group,
    "collective-permute": 1,
  }[kind]


def _share_of_result(kind: str, group: int) -> float:
  """An asynchronous operation gives back its operand beside its result."""
  return {
    "all-reduce": 1,  # but this one
    "all-gather": group / (group + 1),
    "reduce-scatter": 1 / (group + 1),
    "all-to-all": 1 / 2,
    "collective-permute": 1 / 2,
  }[kind]


def _group_size(line: str, devices: int) -> int:
  listed, counted = _LISTED.search(line), _COUNTED.search(line)
  if listed:
    return len(listed[1].split(","))
  if mesh := _MESH.search(line):
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", mesh[1]))
    axes = _AXIS.findall(mesh[2])
    return math.prod(int(part or sizes[name]) for name, part in axes)
  return int(counted[1]) if counted else devices


def _size(shapes: str) -> float:
  """Bytes of all arrays in a text such as "(bf16[8,4]{1,0}, u32[])".

  Scalars of an asynchronous operation are its own, a few bytes each.
  """
  return sum(
    math.prod(map(int, sizes.split(","))) * int(bits or 8) / 8
    for bits, sizes in _SHAPE.findall(shapes)
    if sizes
  )
