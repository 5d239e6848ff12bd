"""The config of a run or package that another version of this code made.

What it lacks came since: each such field has the value with which today's code
does what was done then (`before` in its definition). What it has and today's
code lacks is gone (`REMOVED`), or comes from a newer version.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from unimse_jax.config.paths import flatten, nest
from unimse_jax.config.reading import validate
from unimse_jax.config.run_fields import FIELDS, Config
from unimse_jax.errors import InputError

# A field that is gone -> what it decided. It told training alone what to do, so
# a trained model is read without it; training cannot go on as it was.
REMOVED = {
  "data.mixing": "how rows were dealt to batches before several texts shared a "
  "row of the encoder",
}


@dataclasses.dataclass(frozen=True)
class StoredConfig:
  """A config as it was written, in today's fields.

  Attributes:
    config: its values, and those of the fields that came since.
    added: path of a field that came since -> its value.
    removed: path of a field that is gone -> its value.
  """

  config: Config
  added: Mapping[str, Any]
  removed: Mapping[str, Any]


def read_stored(values: Mapping[str, Any], source: str) -> StoredConfig:
  """Reads the config of a run of this version or another.

  Args:
    values: sections -> fields -> values, as config.json has them.
    source: name of the file, for messages.

  Raises:
    InputError: a field is not known, so that a newer version wrote it; one is
      absent and runs without it can no longer be read; or a value is not legal.
      All of a kind are named.
  """
  found = flatten(values)
  unknown = [path for path in found if path not in (FIELDS | REMOVED)]
  if unknown:
    raise InputError(
      f"expected fields of this version in {source}, found "
      f"{', '.join(unknown)}: a newer version of unimse_jax made it; update "
      "this one, or put the file back if it was edited"
    )
  added = {
    path: each.before for path, each in FIELDS.items() if path not in found
  }
  lost = [path for path in added if added[path] is dataclasses.MISSING]
  if lost:
    raise InputError(
      f"expected {', '.join(lost)} in {source}, found none: what runs did "
      "before there were such fields can no longer be done; use the version "
      "that made it, or put the file back if it was edited"
    )
  known = {path: value for path, value in found.items() if path in FIELDS}
  try:
    config = validate(nest(known | added))
  except InputError as error:
    raise InputError(f"{source}: {error}") from error
  removed = {path: found[path] for path in REMOVED if path in found}
  return StoredConfig(config, added, removed)
