"""Writes a corpus as a TFDS dataset that appears only when it is complete."""

import contextlib
import fcntl
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle

from feature_export.errors import InputError
from feature_export.files import hash_file
from feature_export.records.schema import DATASET_VERSION, record_features

METADATA_FILE = "metadata.json"
REPORT_FILE = "export_report.json"

# Bytes of records that TFDS may hold before it sorts them on disk. Its own
# value is 1 GB: up to there memory would grow with the corpus.
_SORTED_IN_MEMORY = 64 << 20

# split name -> its records by id, or the Beam transform that makes them
ExamplesOf = Callable[[str], Iterable[tuple[str, dict]]]


class RecordBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A TFDS builder for any corpus; its name is the corpus's name."""

  VERSION = tfds.core.Version(DATASET_VERSION)

  def __init__(
    self, name: str, metadata: dict, examples_of: ExamplesOf, data_dir: Path
  ):
    self.name = name
    self._metadata = metadata
    self._examples_of = examples_of
    super().__init__(data_dir=data_dir, file_format="tfrecord")

  def _info(self) -> tfds.core.DatasetInfo:
    return tfds.core.DatasetInfo(
      builder=self,
      features=record_features(
        self._metadata["audio"]["mels"], self._metadata["video"]["dimension"]
      ),
      metadata=tfds.core.MetadataDict(self._metadata),
    )

  def _split_generators(self, dl_manager) -> dict[str, Iterable]:
    return {
      split: self._generate_examples(split)
      for split in self._metadata["counts"]
    }

  def _generate_examples(self, split: str) -> Iterable[tuple[str, dict]]:
    # TFDS orders records by the hash of their key, so the order is always the
    # same.
    return self._examples_of(split)


@contextlib.contextmanager
def _stable_serialization() -> Iterator[None]:
  """Makes TFDS write the fields of a record in one order, in little memory.

  An Example is a map, and protobuf writes maps in an order that changes from
  process to process: two exports would differ. TFDS has no setting for it, nor
  for the memory that it sorts records in, so both are patched here. Its next
  version may name these parts otherwise; setup.cfg therefore admits 4.9 from
  4.9.10 on, where they were seen to work, and nothing later.
  """
  serializer = tfds.core.ExampleSerializer
  original = serializer.serialize_example

  def serialize_example(self, example: dict) -> bytes:
    return self.get_tf_example(example).SerializeToString(deterministic=True)

  serializer.serialize_example = serialize_example
  memory = shuffle.MAX_MEM_BUFFER_SIZE
  shuffle.MAX_MEM_BUFFER_SIZE = _SORTED_IN_MEMORY
  try:
    yield
  finally:
    serializer.serialize_example = original
    shuffle.MAX_MEM_BUFFER_SIZE = memory


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


def write_json(path: Path, content: dict) -> None:
  """Writes JSON that people can read, too."""
  path.write_text(
    json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
  )


def _move_into_place(made: Path, target: Path, work: Path) -> None:
  """Puts a complete dataset at its final path, replacing an old one."""
  target.parent.mkdir(parents=True, exist_ok=True)
  if target.exists():
    # Two renames. An interruption between them leaves no dataset rather than
    # half of one.
    os.rename(target, work / "replaced")
  os.rename(made, target)


@contextlib.contextmanager
def open_work_folder(out: Path, name: str) -> Iterator[Path]:
  """Opens a hidden folder beside the datasets, for work in progress.

  It holds the features that an interrupted export has finished. The export
  that completes the dataset removes it.

  Args:
    out: folder of all datasets.
    name: corpus name.

  Yields:
    The folder, locked.

  Raises:
    InputError: `out` cannot be written, or another export uses the folder.
  """
  work = out / f".incomplete-{name}"
  try:
    work.mkdir(parents=True, exist_ok=True)
    lock = (work / "lock").open("w")
  except OSError as error:
    raise InputError(f"Cannot write to {out}: {error}. Correct --out.") from (
      error
    )
  with lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      raise InputError(
        f"Another export of {name} to {out} is running. Wait for it, or give "
        "--name or --out."
      ) from error
    # What an interrupted export was writing cannot be continued; its features
    # can.
    for draft in ("draft", "replaced"):
      shutil.rmtree(work / draft, ignore_errors=True)
    yield work


def dataset_path(out: Path, name: str) -> Path:
  """Where the dataset of a corpus lies: DATA_DIR/<corpus>/<version>."""
  return out / name / DATASET_VERSION


def write_draft(
  name: str,
  metadata: dict,
  examples_of: ExamplesOf,
  work: Path,
  download_config=None,
) -> Path:
  """Writes shards, and metadata with their hashes, into the work folder.

  Args:
    name: corpus name.
    metadata: metadata from `build_metadata`.
    examples_of: function: split -> (id, record) pairs, or a Beam transform.
    work: folder from `open_work_folder`.
    download_config: options for TFDS that name a Beam runner; None: no Beam.

  Returns:
    The draft's folder.
  """
  builder = RecordBuilder(name, metadata, examples_of, work / "draft")
  # TFDS prints about downloads, of which an export has none.
  with contextlib.redirect_stdout(io.StringIO()), _stable_serialization():
    builder.download_and_prepare(download_config=download_config)
  made = Path(builder.data_dir)
  shards = _describe_shards(builder)
  write_json(made / METADATA_FILE, {**metadata, "shards": shards})
  return made


def publish(made: Path, report: dict, name: str, out: Path, work: Path) -> Path:
  """Renames a complete draft to its final place and removes the work folder.

  Returns:
    The dataset's folder.
  """
  write_json(made / REPORT_FILE, report)
  target = dataset_path(out, name)
  _move_into_place(made, target, work)
  shutil.rmtree(work, ignore_errors=True)
  return target
