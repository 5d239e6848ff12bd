"""One idea for "which parameters": a regular expression over their paths."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax

Value = TypeVar("Value")
Rules = Sequence[tuple[str, Value]]


def path_text(path: tuple[Any, ...]) -> str:
  """A key path of jax.tree_util as text: `t5/encoder/layers_0/...`."""
  return jax.tree_util.keystr(path, simple=True, separator="/")


def map_with_paths(function: Callable[[str, Any], Any], tree: Any) -> Any:
  """`function(path, leaf)` for every leaf."""
  return jax.tree_util.tree_map_with_path(
    lambda path, leaf: function(path_text(path), leaf), tree
  )


def paths(tree: Any) -> list[str]:
  """The paths of all leaves, in the tree's order."""
  flat = jax.tree_util.tree_flatten_with_path(tree)[0]
  return [path_text(path) for path, _ in flat]


def match(rules: Rules[Value], tree: Any) -> Any:
  """A tree like `tree` with, at each leaf, the value of the first match.

  A rule matches when its expression is found anywhere in the path.

  Raises:
    ValueError: leaves that no rule matches, all named.
  """
  missed = [
    path
    for path in paths(tree)
    if not any(re.search(pattern, path) for pattern, _ in rules)
  ]
  if missed:
    raise ValueError(
      f"Expected a rule for every parameter; none of "
      f"{[pattern for pattern, _ in rules]} matches {missed}."
    )

  def first(path: str, leaf: Any) -> Value:
    del leaf
    return next(value for rule, value in rules if re.search(rule, path))

  return map_with_paths(first, tree)
