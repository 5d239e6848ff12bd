"""Predictions of any model, scored as this project scores its own.

A row names a record and says what a model makes of it:

    {"id": "dia0_utt0", "corpus": "meld", "emotion": "joy", "intensity": 1.2,
     "probabilities": {"joy": 0.7, "anger": 0.3}}

`corpus` may be left out where one corpus is scored, and so may what the model
does not predict. In CSV the columns have these names; probabilities need JSON.
"""

import csv
import dataclasses
import importlib.metadata
import io
import math
import pathlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unimse_jax.checkout import commit
from unimse_jax.data.mixture import Mixture
from unimse_jax.data.records import SPLITS, CorpusRecords, Record
from unimse_jax.errors import InputError
from unimse_jax.evaluation import collapse, scoring, uncertainty
from unimse_jax.evaluation.evaluator import Evaluation
from unimse_jax.files import hash_file, parse_json
from unimse_jax.labels import ParsedLabel
from unimse_jax.prediction.prediction import Prediction

_FIELDS = ("intensity", "emotion")
_KNOWN = {"id", "corpus", "probabilities", *_FIELDS}
_SHOWN = 5  # names in a message
_TOLERANCE = 1e-3  # of a sum of probabilities, which files round

Rows = Mapping[tuple[str, str], Mapping[str, Any]]


def open_records(data_dir: str, names: Sequence[str]) -> Mixture:
  """The exported records of corpora, without universal labels.

  Raises:
    InputError: a corpus is missing, damaged or named twice.
  """
  if len(set(names)) < len(names):
    raise InputError(
      f"--corpora: expected each name once, found {','.join(names)}."
    )
  corpora = {name: CorpusRecords(data_dir, name) for name in names}
  schemes = [each.metadata["emotion_scheme"] for each in corpora.values()]
  slots = {
    "intensity": True,
    "emotions": {each["name"]: each["classes"] for each in schemes if each},
  }
  examples = {
    split: [each for name in names for each in corpora[name].texts[split]]
    for split in SPLITS
  }
  hashes = {
    name: {
      "settings_sha256": records.metadata["settings_sha256"],
      "shards": records.metadata["shards"],
    }
    for name, records in corpora.items()
  }
  return Mixture(corpora, slots, examples, {"datasets": hashes})


def read(path: pathlib.Path, mixture: Mixture) -> Rows:
  """Reads a file of predictions.

  Args:
    path: .csv, or JSON lines.
    mixture: the records that they may name.

  Returns:
    (corpus, id) -> row.

  Raises:
    InputError: no such file, or faults of its rows: the first ones, each with
      its line.
  """
  rows, faults = {}, []
  alone = next(iter(mixture.corpora)) if len(mixture.corpora) == 1 else None
  for line, row in _rows(path):
    row = {"corpus": alone} | {k: v for k, v in row.items() if v is not None}
    wrong = _faults(row, mixture)
    key = (str(row["corpus"]), str(row.get("id")))
    if key in rows:
      wrong.append(f"{key[1]!r} stands twice")
    faults += [f"line {line}: {each}" for each in wrong]
    rows[key] = row
  if faults:
    more = f"\n  and {len(faults) - _SHOWN} more" * (len(faults) > _SHOWN)
    raise InputError(
      f"{path}: expected a prediction a row, found {len(faults)} fault(s):\n  "
      + "\n  ".join(faults[:_SHOWN])
      + more
    )
  if not rows:
    raise InputError(f"{path}: expected a prediction a row, found no rows")
  return rows


def _rows(path: pathlib.Path) -> Iterator[tuple[int, dict[str, Any]]]:
  try:
    text = path.read_text(encoding="utf-8-sig")
  except (OSError, UnicodeDecodeError) as error:
    raise InputError(
      f"--predictions: expected JSON lines or a .csv at {path}, found: {error}"
    ) from error
  if path.suffix == ".csv":
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
      yield reader.line_num, _from_csv(row)
    return
  for line, each in enumerate(text.splitlines(), start=1):
    if not each.strip():
      continue
    try:
      yield line, parse_json(each, dict[str, Any])
    except ValueError as error:
      raise InputError(
        f"{path}: line {line}: expected a JSON object, found {error}"
      ) from error


def _from_csv(row: dict[str | None, Any]) -> dict[str, Any]:
  values = {name: text or None for name, text in row.items()}
  try:
    if values.get("intensity") is not None:
      values["intensity"] = float(values["intensity"])
  except ValueError:
    pass  # it stays a text, which is a fault of the row
  return values


def _faults(row: Mapping[str, Any], mixture: Mixture) -> list[str]:
  """What is wrong with one row, names aside."""
  faults = []
  if unknown := sorted(map(str, row.keys() - _KNOWN)):
    faults.append(f"unknown field {', '.join(unknown)}")
  if not isinstance(row.get("id"), str):
    faults.append(f"expected a text as id, found {row.get('id')!r}")
  if row["corpus"] not in [*mixture.corpora]:  # it may be of any type
    faults.append(
      f"expected a corpus of {', '.join(mixture.corpora)}, found "
      f"{row['corpus']!r}"
    )
    return faults
  number = row.get("intensity")
  if number is not None and not _is_finite(number):
    faults.append(f"expected a number as intensity, found {number!r}")
  classes = mixture.emotion_classes(row["corpus"])
  word = row.get("emotion")
  if word is not None and word not in classes:
    faults.append(
      f"expected an emotion of {', '.join(classes)}, found {word!r}"
    )
  chances = row.get("probabilities")
  if chances is not None and not _are_chances(chances, classes):
    faults.append(
      f"expected probabilities of {', '.join(classes)} that sum to 1, found "
      f"{chances!r}"
    )
  return faults


def _is_finite(value: Any) -> bool:
  number = isinstance(value, int | float) and not isinstance(value, bool)
  return number and math.isfinite(value)


def _are_chances(value: Any, classes: Sequence[str]) -> bool:
  return (
    isinstance(value, dict)
    and set(value) <= set(classes)
    and all(_is_finite(each) and each >= 0 for each in value.values())
    and abs(sum(value.values()) - 1) < _TOLERANCE
  )


def evaluate(
  rows: Rows, mixture: Mixture, split: str, allow_missing: bool = False
) -> Evaluation:
  """Scores of predictions, by the protocol of `unimse_jax.eval`.

  Args:
    rows: (corpus, id) -> row, from `read`.
    mixture: records of the corpora that are scored, whole.
    split: train, validation or test.
    allow_missing: whether a record without a prediction counts as a malformed
      one does: by the train split's median or majority (D26).

  Raises:
    InputError: records without a prediction, or predictions without a record.
  """
  records = mixture.examples[split]
  _check_ids(rows, records, split, allow_missing)
  predicted = {
    (name, field)
    for (name, _), row in rows.items()
    for field in _FIELDS
    if field in row
  }
  predictions = [
    _predict(_as_predicted(each, predicted), rows, mixture) for each in records
  ]
  _check_fields(predictions, split, allow_missing)
  scored = scoring.scored_values(predictions, mixture)
  corpora = scoring.score_corpora(predictions, scored, mixture)
  schemes = {k: each.scheme_name for k, each in mixture.corpora.items()}
  decoding = scoring.decoding_report(predictions) | {
    "collapse": collapse.collapse_report(predictions, corpora, schemes)
  }
  corpora = uncertainty.add_uncertainty(corpora, predictions, scored, mixture)
  return Evaluation(corpora, decoding, predictions, scored)


def _check_ids(
  rows: Rows, records: Sequence[Record], split: str, allow_missing: bool
) -> None:
  wanted = {(each.corpus, each.id) for each in records}
  faults = []
  for names, what in (
    (sorted(rows.keys() - wanted), f"predictions of no {split} record"),
    (
      [] if allow_missing else sorted(wanted - rows.keys()),
      f"{split} records without a prediction (--allow_missing counts them as "
      "the train split's median or majority)",
    ),
  ):
    if names:
      shown = ", ".join("/".join(name) for name in names[:_SHOWN])
      dots = ", ..." * (len(names) > _SHOWN)
      faults.append(f"  {len(names)} {what}: {shown}{dots}")
  if faults:
    raise InputError(
      f"--predictions: expected one for each of {len(wanted)} records, found\n"
      + "\n".join(faults)
    )


def _as_predicted(record: Record, predicted: set[tuple[str, str]]) -> Record:
  """The record without the truth of what the model says nothing about."""
  changes: dict[str, Any] = {}
  if (record.corpus, "intensity") not in predicted:
    changes["intensity"] = None
  if (record.corpus, "emotion") not in predicted:
    changes["emotion"] = ""
  return dataclasses.replace(record, **changes)


def _predict(record: Record, rows: Rows, mixture: Mixture) -> Prediction:
  row = rows.get((record.corpus, record.id), {})
  scheme = mixture.corpora[record.corpus].scheme_name
  slots = {"intensity": "intensity", "emotion": scheme}
  fields = {
    slots[field]: row.get(field)
    for field in _FIELDS
    if row.get(field) is not None or record.targets[field] is not None
  }
  lacks = any(
    record.targets[field] is not None and row.get(field) is None
    for field in _FIELDS
  )
  chances = row.get("probabilities")
  classes = mixture.emotion_classes(record.corpus)
  return Prediction(
    output=", ".join(str(row[field]) for field in _FIELDS if field in row),
    parsed=ParsedLabel(fields, malformed=lacks),
    probabilities={scheme: {word: chances.get(word, 0.0) for word in classes}}
    if chances
    else {},
    record=record,
  )


def _check_fields(
  predictions: Sequence[Prediction], split: str, allow_missing: bool
) -> None:
  lacking = [each.record for each in predictions if each.parsed.malformed]
  if lacking and not allow_missing:
    shown = ", ".join(f"{each.corpus}/{each.id}" for each in lacking[:_SHOWN])
    raise InputError(
      f"--predictions: expected in each row what other rows of its corpus "
      f"predict, found {len(lacking)} {split} records without an intensity or "
      f"an emotion: {shown}; --allow_missing counts them as malformed"
    )


def provenance(
  path: pathlib.Path, data_dir: str, name: str, mixture: Mixture
) -> dict[str, Any]:
  """Where the scores come from, in the form of `results.provenance`."""
  return {
    "config": {
      "name": name,
      "data": {"dir": data_dir, "corpora": [*mixture.corpora], "labels": ""},
    },
    "data": mixture.provenance | {"predictions_sha256": hash_file(path)},
    "versions": {
      "numpy": importlib.metadata.version("numpy"),
      "python": platform.python_version(),
    },
    "commit": commit(),
  }
