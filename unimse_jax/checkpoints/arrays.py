"""Pytrees as flat tables of named arrays, and nested dicts made of them."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from unimse_jax.errors import InputError

PyTree = Any
ArrayPath = tuple[str, ...]


def name_arrays(tree: PyTree) -> dict[ArrayPath, Any]:
  """The leaves of a pytree by path: ("params", "dense", "kernel").

  Args:
    tree: pytree of arrays, numbers or jax.ShapeDtypeStruct. NumPy arrays are
      copied, so that the caller may write to them afterwards.

  Raises:
    TypeError: a leaf is no plain array (a typed random key, a string), has
      no elements (Orbax cannot store it), or has 64 bits where JAX works in
      32 (it would come back rounded).
  """
  named = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    keys = tuple(jax.tree_util.keystr((k,), simple=True) for k in path)
    if isinstance(leaf, np.ndarray) or not hasattr(leaf, "dtype"):
      leaf = np.array(leaf)
    if not _is_plain(leaf.dtype) or 0 in leaf.shape:
      raise TypeError(
        f"{'/'.join(keys)}: expected a non-empty array of numbers in JAX's own "
        f"dtypes, found {leaf.dtype}{list(leaf.shape)}; store "
        "jax.random.key_data(key) in place of a random key"
      )
    named[keys] = leaf
  return named


def describe(named: Mapping[ArrayPath, Any]) -> dict[str, str]:
  """{"params/dense/kernel": "float32[4, 8]"}: what a checkpoint must match."""
  return {
    "/".join(path): f"{np.dtype(leaf.dtype).name}{list(leaf.shape)}"
    for path, leaf in named.items()
  }


def nest(named: Mapping[ArrayPath, Any]) -> dict[str, Any]:
  """Plain nested dicts: the form on disk, readable without our classes.

  It is the same whether a state holds tuples, named tuples or dataclasses.
  """
  nested: dict[str, Any] = {}
  for path, value in named.items():
    level = nested
    for key in path[:-1]:
      level = level.setdefault(key, {})
    level[path[-1]] = value
  return nested


def pick(nested: Mapping[str, Any], path: ArrayPath) -> Any:
  """The leaf of a nested dict at a path."""
  for key in path:
    nested = nested[key]
  return nested


def check_same(
  found: Mapping[str, str], expected: Mapping[str, str], place: str
) -> None:
  """Compares two `describe` tables.

  Raises:
    InputError: one line for each path that is missing, extra or different.
  """
  faults = [
    f"  {name}: expected {expected.get(name, 'nothing')}, "
    f"found {found.get(name, 'nothing')}"
    for name in sorted(found.keys() | expected.keys())
    if found.get(name) != expected.get(name)
  ]
  if faults:
    raise InputError(
      f"the checkpoint {place} holds other arrays than this config makes; use "
      "the config of its workdir, or another --workdir:\n" + "\n".join(faults)
    )


def _is_plain(dtype: Any) -> bool:
  if jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
    return False
  # bfloat16 and its kin are of NumPy's kind "V", so ask JAX.
  kinds = (np.number, np.bool_)
  return any(jax.dtypes.issubdtype(dtype, kind) for kind in kinds) and (
    jax.dtypes.canonicalize_dtype(dtype) == dtype
  )
