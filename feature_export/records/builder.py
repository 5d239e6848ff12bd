"""Writes a corpus as a TFDS dataset that appears only when it is complete."""

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import tensorflow_datasets as tfds

from feature_export.errors import InputError
from feature_export.features.efficientnet import hash_file
from feature_export.records.schema import DATASET_VERSION, record_features

METADATA_FILE = "metadata.json"
REPORT_FILE = "export_report.json"

# split name -> its records, computed while they are written
RecordsOf = Callable[[str], Iterable[dict]]


class RecordBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A TFDS builder for any corpus; its name is the corpus's name."""

  VERSION = tfds.core.Version(DATASET_VERSION)

  def __init__(
    self, name: str, metadata: dict, records_of: RecordsOf, data_dir: Path
  ):
    self.name = name
    self._metadata = metadata
    self._records_of = records_of
    super().__init__(data_dir=data_dir, file_format="tfrecord")

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
      builder=self,
      features=record_features(
        self._metadata["audio"]["mels"], self._metadata["video"]["dimension"]
      ),
      metadata=tfds.core.MetadataDict(self._metadata),
    )

  def _split_generators(self, dl_manager) -> dict[str, Iterator]:
    return {
      split: self._generate_examples(split)
      for split in self._metadata["counts"]
    }

  def _generate_examples(self, split: str) -> Iterator[tuple[str, dict]]:
    # TFDS orders records by the hash of this key: the same order every time.
    for record in self._records_of(split):
      yield record["id"], record


@contextlib.contextmanager
def _stable_serialization() -> Iterator[None]:
  """Makes TFDS write the fields of a record in one order.

  An Example is a map, and protobuf writes maps in an order that changes from
  process to process; TFDS has no setting for it.
  """
  serializer = tfds.core.ExampleSerializer
  original = serializer.serialize_example

  def serialize_example(self, example: dict) -> bytes:
    return self.get_tf_example(example).SerializeToString(deterministic=True)

  serializer.serialize_example = serialize_example
  try:
    yield
  finally:
    serializer.serialize_example = original


def _describe_shards(builder: RecordBuilder) -> dict[str, dict]:
  """File name -> sha256 and number of records, for every shard."""
  shards = {}
  for split in builder.info.splits.values():
    for path, records in zip(split.filepaths, split.shard_lengths, strict=True):
      shards[path.name] = {
        "sha256": hash_file(Path(path)),
        "records": records,
      }
  return shards


def _write_json(path: Path, content: dict) -> None:
  path.write_text(
    json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
  )


def _move_into_place(made: Path, target: Path, work: Path) -> None:
  """Puts a complete dataset at its final path, replacing an old one."""
  target.parent.mkdir(parents=True, exist_ok=True)
  if target.exists():
    # Two renames: an interruption between them leaves no dataset, never half.
    os.rename(target, work / "replaced")
  os.rename(made, target)


def _open_work_folder(out: Path, name: str) -> Path:
  """An empty hidden folder beside the datasets, for work in progress.

  Raises:
    InputError: `out` cannot be written.
  """
  work = out / f".incomplete-{name}"
  try:
    # What a killed export left behind.
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
  except OSError as error:
    raise InputError(f"Cannot write to {out}: {error}. Correct --out.") from (
      error
    )
  return work


def dataset_path(out: Path, name: str) -> Path:
  """Where the dataset of a corpus lies: DATA_DIR/<corpus>/<version>."""
  return out / name / DATASET_VERSION


def write_dataset(
  name: str,
  metadata: dict,
  records_of: RecordsOf,
  make_report: Callable[[], dict],
  out: Path,
) -> Path:
  """Writes one dataset: shards, metadata with their hashes, and the report.

  Everything is made in a hidden folder of `out` and renamed at the very end,
  so an interrupted export leaves nothing that looks like a dataset.

  Args:
    name: of the corpus.
    metadata: from `build_metadata`.
    records_of: gives the records of a split.
    make_report: called when all records are written; the content of
      export_report.json.
    out: DATA_DIR.

  Returns:
    The dataset's folder.

  Raises:
    InputError: `out` cannot be written.
  """
  work = _open_work_folder(out, name)
  try:
    builder = RecordBuilder(name, metadata, records_of, work)
    # TFDS speaks of downloads on stdout; this export has none.
    with (
      contextlib.redirect_stdout(io.StringIO()),
      _stable_serialization(),
    ):
      builder.download_and_prepare()
    made = Path(builder.data_dir)
    shards = _describe_shards(builder)
    _write_json(made / METADATA_FILE, {**metadata, "shards": shards})
    _write_json(made / REPORT_FILE, make_report())
    target = dataset_path(out, name)
    _move_into_place(made, target, work)
  finally:
    shutil.rmtree(work, ignore_errors=True)
  return target
