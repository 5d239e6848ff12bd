"""How a config field is defined, and what its definition says.

A field is one entry of the dataclass of its section, as `window` of
`TextConfig`: name, type, default, bounds, and its meaning (with unit and
D-number of docs/decisions.md) as the docstring below it. They stand there and
nowhere else. Where only some texts are legal, the type is a `Literal` of them;
`field` is left out where a field has neither bounds nor freedom.

A field that is new says in `before` what runs did that were made without it: a
run or a package of an earlier version is then read as it was (`earlier.py`).
"""

import ast
import dataclasses
import functools
import inspect
import operator
import textwrap
import typing
from collections.abc import Iterator
from typing import Any

# Keyword of `field` -> how it is said, how it is printed, what must hold.
_BOUNDS = {
  "at_least": ("at least", "≥", operator.ge),
  "above": ("above", ">", operator.gt),
  "at_most": ("at most", "≤", operator.le),
  "below": ("below", "<", operator.lt),
}


def field(
  default: Any,
  *,
  at_least: float | None = None,
  above: float | None = None,
  at_most: float | None = None,
  below: float | None = None,
  free: bool = False,
  before: Any = dataclasses.MISSING,
) -> Any:
  """A field with bounds, or one that may change between runs of a workdir.

  Args:
    default: value of the field in configs/base.py.
    at_least: least legal number.
    above: number that legal ones exceed.
    at_most: greatest legal number.
    below: number that legal ones stay below.
    free: whether runs of one workdir may differ in it, because it changes how
      long or how fast a run is, how it is read out or what it prints, but not
      what is learnt at a step.
    before: value with which today's code does what was done before the field
      came; left out, runs that have no such field cannot be read.
  """
  given = zip(_BOUNDS, (at_least, above, at_most, below), strict=True)
  bounds = {name: bound for name, bound in given if bound is not None}
  return dataclasses.field(
    default=default,
    metadata={"bounds": bounds, "free": free, "before": before},
  )


@dataclasses.dataclass(frozen=True)
class Field:
  """The definition of one field.

  Attributes:
    section: dataclass that it is defined in.
    path: section and name ("text.window"), or the name alone ("seed").
    type: type of the value; str where it has choices.
    default: value of the field in configs/base.py.
    choices: legal texts; empty where any value of the type is legal.
    bounds: keyword of `field` -> number.
    free: whether it may change between runs, as for `field`.
    before: value that it had before it came, as for `field`.
  """

  section: type
  path: str
  type: Any
  default: Any
  choices: tuple[str, ...]
  bounds: dict[str, float]
  free: bool
  before: Any

  def faults(self, value: Any) -> list[str]:
    """What is wrong with a value of the right type."""
    if self.choices and value not in self.choices:
      return [
        f"config.{self.path}: expected one of {', '.join(self.choices)}, found "
        f"{value!r}"
      ]
    return [
      f"config.{self.path}: expected {words} {bound}, found {value}"
      for name, bound in self.bounds.items()
      for words, _, holds in [_BOUNDS[name]]
      if not holds(value, bound)
    ]

  @property
  def doc(self) -> str:
    """Meaning, in sentences; "" if no docstring stands below the field."""
    return _read_docs(self.section).get(self.path.rpartition(".")[2], "")

  @property
  def legal(self) -> str:
    """Type and bounds, as "int, ≥ 0"; for a field without choices."""
    name = self.type.__name__
    if typing.get_origin(self.type) is tuple:
      name = f"tuple of {typing.get_args(self.type)[0].__name__}"
    signs = [f"{_BOUNDS[name][1]} {n}" for name, n in self.bounds.items()]
    return ", ".join([name, *signs])


def define(section: type, prefix: str = "") -> Iterator[Field]:
  """The fields of a dataclass and, after them, of its sections."""
  hints = typing.get_type_hints(section)
  inside = []
  for each in dataclasses.fields(section):
    hint, path = hints[each.name], f"{prefix}{each.name}"
    if dataclasses.is_dataclass(hint):
      inside.append((hint, f"{path}."))
      continue
    is_literal = typing.get_origin(hint) is typing.Literal
    choices = typing.get_args(hint) if is_literal else ()
    yield Field(
      section=section,
      path=path,
      type=str if choices else hint,
      default=each.default,
      choices=choices,
      bounds=each.metadata.get("bounds", {}),
      free=each.metadata.get("free", False),
      before=each.metadata.get("before", dataclasses.MISSING),
    )
  for hint, path in inside:
    yield from define(hint, path)


@functools.cache
def _read_docs(section: type) -> dict[str, str]:
  """Name of a field -> the text below it.

  Python keeps a class's docstring but not those of its fields, so they are
  read from the source.
  """
  source = textwrap.dedent(inspect.getsource(section))
  body = ast.parse(source).body[0].body
  return {
    one.target.id: " ".join(other.value.value.split())
    for one, other in zip(body, body[1:], strict=False)
    if isinstance(one, ast.AnnAssign)
    and isinstance(other, ast.Expr)
    and isinstance(other.value, ast.Constant)
  }
