"""Reads exported records back, without the builder's class.

Everything in feature_export that needs records (universal labels, checks,
statistics) comes through here.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from feature_export.errors import InputError
from feature_export.records.schema import INFO_FILE
from feature_export.records.tensorflow_start import prepare
from unimse_cli import storage

_EXPORT = "python -m feature_export.export --corpus ... --raw ... --out"


def load_builder(dataset_dir: Path):
  """The read-only TFDS builder of a dataset folder.

  Raises:
    InputError: the folder holds no complete dataset.
  """
  prepare()
  import tensorflow_datasets as tfds

  if not (dataset_dir / INFO_FILE).is_file():
    raise InputError(
      f"No exported dataset in {dataset_dir}; expected dataset_info.json and "
      f"TFRecords there. Make it with: {_EXPORT} DATA_DIR"
    )
  try:
    builder = tfds.builder_from_directory(dataset_dir)
    _ = builder.info.metadata  # TFDS parses it only now, and may fail
  except Exception as error:  # TFDS raises many kinds for a damaged folder
    raise InputError(
      f"The dataset in {dataset_dir} cannot be read: {error}\n"
      f"Export it again with --overwrite: {_EXPORT} DATA_DIR --overwrite"
    ) from error
  return builder


def dataset_dirs(data_dir: Path) -> dict[str, Path]:
  """All complete datasets below a data folder: corpus name -> local folder.

  Those of a bucket are copied to the cache of this machine.

  Raises:
    InputError: the folder is missing or holds no dataset.
  """
  found = _find_datasets(data_dir)
  return {name: storage.fetch(str(path)) for name, path in found.items()}


def _find_datasets(data_dir: Path) -> dict[str, Path]:
  """As `dataset_dirs`, where they are."""
  storage.reach(data_dir)
  if not data_dir.is_dir():
    raise InputError(
      f"No data folder {data_dir}. Correct --data, or make it with: "
      f"{_EXPORT} {data_dir}"
    )
  datasets = {}
  for info in sorted(data_dir.glob(f"*/*/{INFO_FILE}")):
    # TFDS writes into "<version>.incomplete..." and renames at the end.
    if "incomplete" not in info.parent.name:
      datasets[info.parent.parent.name] = info.parent
  if not datasets:
    raise InputError(
      f"No exported dataset in {data_dir}; expected "
      f"{data_dir}/<corpus>/<version>/dataset_info.json. Make one with: "
      f"{_EXPORT} {data_dir}"
    )
  return datasets


def find_dataset(data_dir: Path, corpus: str) -> Path:
  """The folder DATA_DIR/<corpus>/<version> of one corpus, or a copy of it.

  Raises:
    InputError: no such dataset, with those that are there and the command
      that makes it.
  """
  datasets = _find_datasets(data_dir)
  if corpus not in datasets:
    raise InputError(
      f"No dataset {corpus!r} in {data_dir}; found: {', '.join(datasets)}. "
      f"Make it with: {_EXPORT} {data_dir}"
    )
  return storage.fetch(str(datasets[corpus]))


def load_metadata(dataset_dir: Path) -> dict:
  """The metadata that the export wrote with a dataset.

  Raises:
    InputError: the folder holds no complete dataset.
  """
  return dict(load_builder(dataset_dir).info.metadata)


def to_python(value: object) -> object:
  """A field as plain Python: str, numbers, list[str]; arrays stay arrays."""
  if isinstance(value, bytes):
    return value.decode("utf-8")
  if isinstance(value, list):
    return [to_python(each) for each in value]
  if isinstance(value, np.ndarray) and value.dtype == object:
    return [each.decode("utf-8") for each in value]
  if isinstance(value, np.generic):
    return value.item()
  return value


def _check_fields(builder, dataset_dir: Path, fields: Sequence[str]) -> None:
  """Raises InputError for fields that the records do not have."""
  unknown = sorted(set(fields) - set(builder.info.features))
  if unknown:
    raise InputError(
      f"No field {', '.join(unknown)} in {dataset_dir}; its fields: "
      f"{', '.join(builder.info.features)}."
    )


def read_records(
  dataset_dir: Path, split: str, fields: Sequence[str]
) -> Iterator[dict]:
  """Streams the records of a split, in the order of the shards.

  Fields that are not asked for are not decoded, so text comes fast.

  Args:
    dataset_dir: a folder found by `find_dataset`.
    split: "train", "validation" or "test"; a split that the corpus lacks
      yields nothing.
    fields: names of the record schema.

  Yields:
    field -> str, int, float, bool, list[str], float16[A, 64] or
    float16[V, D].

  Raises:
    InputError: no complete dataset, an unknown field, or a damaged shard.
  """
  builder = load_builder(dataset_dir)
  import tensorflow as tf
  import tensorflow_datasets as tfds

  _check_fields(builder, dataset_dir, fields)
  if split not in builder.info.splits:
    return
  dataset = builder.as_dataset(
    split=split,
    shuffle_files=False,
    decoders=tfds.decode.PartialDecoding(dict.fromkeys(fields, True)),
    # One file after the other: the order of the shards, every time.
    read_config=tfds.ReadConfig(interleave_cycle_length=1),
  )
  try:
    for record in tfds.as_numpy(dataset):
      yield {field: to_python(record[field]) for field in fields}
  except tf.errors.OpError as error:
    raise InputError(
      f"A shard of {dataset_dir}, split {split}, is damaged: {error.message}\n"
      f"Export it again with --overwrite: {_EXPORT} DATA_DIR --overwrite"
    ) from error
