"""A field's definition says all that is made from it."""

import dataclasses
import inspect
from typing import Literal

import pytest

from unimse_jax.config.field import define, field


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
  """Of the section."""

  share: float = field(0.5, above=0, below=1, free=True)
  """How much,
  in all."""
  side: Literal["left", "right"] = "left"
  """Which side."""
  silent: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
  inner: Inner = Inner()
  steps: int = field(3, at_least=1, at_most=9)
  """How often."""


@pytest.fixture(scope="module")
def fields():
  return {each.path: each for each in define(Outer)}


def test_fields_come_before_those_of_sections(fields):
  assert list(fields) == ["steps", "inner.share", "inner.side", "inner.silent"]


def test_a_definition_has_type_default_choices_bounds_freedom_and_meaning(
  fields,
):
  assert fields["steps"].type is int
  assert fields["steps"].legal == "int, \u2265 1, \u2264 9"
  assert fields["inner.share"].legal == "float, > 0, < 1"
  assert fields["inner.share"].default == 0.5
  assert [path for path, each in fields.items() if each.free] == ["inner.share"]
  assert fields["inner.share"].doc == "How much, in all."
  assert fields["inner.side"].type is str
  assert fields["inner.side"].choices == ("left", "right")
  assert fields["inner.silent"].legal == "tuple of int"
  assert fields["inner.silent"].doc == ""


@pytest.mark.parametrize(
  ("path", "value", "expected"),
  [
    ("steps", 1, None),
    ("steps", 9, None),
    ("steps", 0, "config.steps: expected at least 1, found 0"),
    ("steps", 10, "config.steps: expected at most 9, found 10"),
    ("inner.share", 0.1, None),
    ("inner.share", 0.0, "config.inner.share: expected above 0, found 0.0"),
    ("inner.share", 1.0, "config.inner.share: expected below 1, found 1.0"),
    ("inner.side", "right", None),
    ("inner.side", "up", "config.inner.side: expected one of left, right, "),
  ],
)
def test_a_value_out_of_range_is_told(fields, path, value, expected):
  found = fields[path].faults(value)
  assert len(found) == (expected is not None)
  assert not found or found[0].startswith(expected)


def test_every_section_says_what_it_is_about():
  from unimse_jax.config import Config

  for each in dataclasses.fields(Config):
    if dataclasses.is_dataclass(each.type):
      # Without a docstring of its own dataclass writes the signature there.
      assert not inspect.getdoc(each.type).startswith(each.type.__name__ + "(")
