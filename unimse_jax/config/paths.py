"""Names of fields with dots ("model.width"), and nested values under them."""

from collections.abc import Mapping
from typing import Any


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """{"model": {"width": 8}} -> {"model.width": 8}; {} stays a value."""
  flat = {}
  for key, value in values.items():
    if isinstance(value, Mapping) and value:
      flat |= flatten(value, f"{prefix}{key}.")
    else:
      flat[f"{prefix}{key}"] = value
  return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
  """{"model.width": 8} -> {"model": {"width": 8}}."""
  values: dict[str, Any] = {}
  for path, value in flat.items():
    *sections, name = path.split(".")
    place = values
    for section in sections:
      place = place.setdefault(section, {})
    place[name] = value
  return values
