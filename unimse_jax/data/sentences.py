"""The exporter's sentence vectors of the training texts."""

import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np

from unimse_cli import storage
from unimse_jax.data import label_file
from unimse_jax.data.records import Record
from unimse_jax.errors import InputError
from unimse_jax.files import hash_file

_ADVICE = (
  "Make the labels again with `python -m feature_export.universal_labels "
  "--sentences ...`, or set --config.t5.warm_start=none."
)


def find(labels: str) -> pathlib.Path:
  """FILE.sentences.npz beside the labels FILE.jsonl.

  Raises:
    InputError: there is none, or not the one that was made with these labels.
  """
  path = storage.fetch_with_companions(labels)
  file = path.with_suffix(".sentences.npz")
  expected = label_file.read_meta(path).get("sentences_sha256")
  if expected is None or not file.is_file():
    raise InputError(
      f"config.t5.warm_start: expected the vectors of the training texts in "
      f"{file}, made with the labels {path}, found none. {_ADVICE}"
    )
  if hash_file(file) != expected:
    raise InputError(
      f"config.t5.warm_start: expected the sha256 of the .meta.json for "
      f"{file}, found another one: it is damaged or of other labels. {_ADVICE}"
    )
  return file


def load(labels: str, examples: Sequence[Record]) -> np.ndarray:
  """float32[N, D], a vector of length 1 for each training example.

  Args:
    labels: FILE.jsonl.
    examples: training split, in its order.

  Raises:
    InputError: see `find`; or an example has no vector.
  """
  file = find(labels)
  try:
    with np.load(file) as stored:
      keys, rows, vectors = (
        stored[name] for name in ("keys", "rows", "vectors")
      )
  except (ValueError, KeyError, zipfile.BadZipFile) as error:
    raise InputError(
      f"config.t5.warm_start: expected keys, rows and vectors in {file}, found "
      f"{error}. {_ADVICE}"
    ) from error
  row_of = dict(zip(keys.tolist(), rows.tolist(), strict=True))
  wanted = [f"{each.corpus}/{each.id}" for each in examples]
  missing = [key for key in wanted if key not in row_of]
  if missing:
    raise InputError(
      f"config.t5.warm_start: expected a vector for each training example in "
      f"{file}, found none for {len(missing)}, for example {missing[:3]}. "
      f"{_ADVICE}"
    )
  return vectors[[row_of[key] for key in wanted]].astype(np.float32)
