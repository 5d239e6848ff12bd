"""Universal labels (FILE.jsonl) and what is said of them (FILE.meta.json).

Files that anybody may have written: a hash that fits says only that the labels
are those that the meta file was written for, so every row is checked.
"""

import math
import pathlib
from collections.abc import Container, Iterator, Mapping
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from unimse_jax.errors import InputError
from unimse_jax.files import parse_json, read_json
from unimse_jax.labels import (
  INTENSITY_RANGE,
  POLARITIES,
  LabelSchema,
  UniversalLabel,
  polarity_of_number,
)

# (corpus, split, id) of a record.
Key = tuple[str, str, str]
_AGAIN = (
  "make the labels again with `python -m feature_export.universal_labels`"
)
_SHOWN_FAULTS = 10


class Slots(TypedDict):
  """What is read of the slots; emotions: scheme -> class -> polarity."""

  # model.json, which refuses what it does not know, keeps the slots whole.
  __pydantic_config__ = {"extra": "ignore"}

  intensity: bool
  emotions: dict[str, dict[str, Literal["negative", "neutral", "positive", ""]]]


class _Dataset(TypedDict):
  metadata_sha256: str


class _Meta(TypedDict):
  """What is read of a meta file; the exporter writes more."""

  labels_sha256: str
  sentences_sha256: NotRequired[str]
  slots: Slots
  donors: str
  donor_classes: NotRequired[str]
  encoder: dict[str, Any] | None
  datasets: dict[str, _Dataset]
  # reason -> corpus -> split -> number of records
  dropped: NotRequired[dict[str, dict[str, dict[str, int]]]]


class _Donor(TypedDict):
  donor: str
  similarity: float


class _Row(TypedDict):
  """A line of the labels."""

  id: str
  corpus: str
  split: str
  polarity: str
  intensity: NotRequired[float | None]
  emotions: dict[str, str | None]
  completed: dict[str, _Donor]


def meta_path(labels: pathlib.Path) -> pathlib.Path:
  """The meta file of FILE.jsonl: FILE.meta.json."""
  return labels.with_suffix(".meta.json")


def read_meta(labels: pathlib.Path) -> dict[str, Any]:
  """The content of the meta file of some labels.

  Raises:
    InputError: it is not there, damaged, or of another form.
  """
  try:
    return read_json(meta_path(labels), _AGAIN, _Meta)
  except InputError as error:
    raise InputError(f"Universal labels: {error}") from error


def read_labels(
  path: pathlib.Path, schema: LabelSchema, records: Container[Key]
) -> dict[Key, UniversalLabel]:
  """The label of each record.

  Args:
    path: file of the labels, FILE.jsonl.
    schema: slots that the labels have.
    records: keys of all records of the mixture.

  Raises:
    InputError: a row is no label of a record; with the line and id of every
      one.
  """
  labels, faults = {}, []
  lines = path.read_bytes().split(b"\n")
  for number, line in enumerate(lines, 1):
    if not line.strip():
      continue
    try:
      row = parse_json(line, _Row)
    except ValueError as error:
      faults.append(f"line {number}: {error}")
      continue
    key = (row["corpus"], row["split"], row["id"])
    place = f"line {number} ({'/'.join(key)})"
    if key in labels:
      faults.append(f"{place}: this record has a label already")
    elif key not in records:
      faults.append(f"{place}: no such record in the datasets")
    faults += (f"{place}: {each}" for each in _row_faults(row, schema))
    labels[key] = UniversalLabel(
      row["polarity"], row.get("intensity"), row["emotions"], row["completed"]
    )
  if faults:
    shown = faults[:_SHOWN_FAULTS]
    more = ["..."] * (len(faults) > len(shown))
    raise InputError(
      f"Universal labels: {path} has {len(faults)} fault(s); {_AGAIN}:\n  "
      + "\n  ".join([*shown, *more])
    )
  return labels


def _row_faults(row: Mapping[str, Any], schema: LabelSchema) -> Iterator[str]:
  """Yields what a label says that its slots cannot hold."""
  polarity = row["polarity"]
  if polarity not in POLARITIES:
    yield f"polarity {polarity!r}, expected one of {', '.join(POLARITIES)}"
  yield from _intensity_faults(row, schema)
  slots = [slot for slot in schema.slots if slot != "intensity"][1:]
  for slot, word in row["emotions"].items():
    if slot not in slots:
      yield f"an emotion slot {slot!r}, expected {', '.join(slots) or 'none'}"
    elif word is not None and word not in schema.classes(slot):
      yield (
        f"{slot} {word!r}, expected one of {', '.join(schema.classes(slot))}"
      )
  for slot, donor in row["completed"].items():
    if slot not in schema.slots:
      yield f"a completed slot {slot!r}, expected {', '.join(schema.slots)}"
    if not math.isfinite(donor["similarity"]):
      yield f"similarity {donor['similarity']} of the donor of {slot}"


def _intensity_faults(
  row: Mapping[str, Any], schema: LabelSchema
) -> Iterator[str]:
  value = row.get("intensity")
  if value is None:
    return
  low, high = INTENSITY_RANGE
  if not schema.intensity:
    yield f"intensity {value}, expected none"
  elif not low <= value <= high:  # NaN is not either
    yield f"intensity {value}, expected a number from {low:g} to {high:g}"
  elif row["polarity"] in {*POLARITIES} - {polarity_of_number(value)}:
    yield f"polarity {row['polarity']!r} against intensity {value}"
