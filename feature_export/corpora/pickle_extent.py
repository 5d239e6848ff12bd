"""How deep and large a pickle's content is, with all that it shares."""

import numpy as np

from feature_export.corpora.pickle_values import BadPickle

# Elements as a reader meets them, who sees a shared container every time.
_MOST_ELEMENTS = 100_000_000
_DEEPEST = 64


def _members(value: object) -> list | None:
  """The members of a container; None: the value is no container."""
  if type(value) in (list, tuple, set, frozenset):
    return list(value)
  if type(value) is dict:
    return [*value.keys(), *value.values()]
  if type(value) is np.ndarray and value.dtype == object:
    return value.ravel().tolist()
  return None


def check_extent(value: object) -> None:
  """Checks how deep a value is, and how large with all that it shares.

  A tuple that holds one tuple twice, which holds one twice, and so on sixty
  times, is small in memory and endless for whoever walks through it.

  Args:
    value: content of a pickle.

  Raises:
    BadPickle: too deep, too large, or a container inside itself.
  """
  # container's id -> (elements, depth); None: its members are being counted.
  extents: dict[int, tuple[int, int] | None] = {}
  pending = [value]
  while pending:
    current = pending[-1]
    members = _members(current)
    known = extents.get(id(current))
    if members is None or known is not None:
      pending.pop()
      continue
    inner = [each for each in members if _is_container(each)]
    if id(current) not in extents:
      extents[id(current)] = None
      if any(extents.get(id(each), ()) is None for each in inner):
        raise BadPickle("a container inside itself")
      pending += inner
      continue
    pending.pop()
    counted = [extents[id(each)] for each in inner]
    elements = 1 + len(members) + sum(count for count, _ in counted)
    depth = 1 + max((depth for _, depth in counted), default=0)
    if elements > _MOST_ELEMENTS:
      raise BadPickle(f"more than {_MOST_ELEMENTS} elements by sharing")
    if depth > _DEEPEST:
      raise BadPickle(f"containers more than {_DEEPEST} deep")
    extents[id(current)] = (elements, depth)


def _is_container(value: object) -> bool:
  return type(value) in (list, tuple, dict, set, frozenset) or (
    type(value) is np.ndarray and value.dtype == object
  )
