"""Checks a dataset file by file and record by record.

The files are read once, for their hashes and for the records in them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from feature_export.corpora.schemes import POLARITIES
from feature_export.corpora.utterance import (
  CONTEXT_TURNS,
  INTENSITY_LIMIT,
  SPLITS,
  polarity_of_intensity,
)
from feature_export.errors import InputError
from feature_export.records.reader import (
  load_builder,
  load_metadata,
  to_python,
)
from feature_export.records.schema import (
  SCHEMA_VERSION,
  hash_settings,
  record_features,
)
from feature_export.records.shards import ShardReader

_TURN_FIELDS = ("id", "turn", "text", "before", "after")
_METADATA_KEYS = (
  *("schema_version", "corpus", "emotion_scheme", "has_intensity"),
  *("audio", "video", "settings_sha256", "counts", "shards"),
)


def _metadata_faults(metadata: Mapping) -> Iterator[str]:
  """Yields what is wrong with the metadata alone."""
  if metadata["schema_version"] != SCHEMA_VERSION:
    yield (
      f"schema version {metadata['schema_version']}, expected {SCHEMA_VERSION}"
    )
  if hash_settings(metadata) != metadata["settings_sha256"]:
    yield "settings_sha256 does not belong to the audio and video settings"


def _schema_faults(features: Mapping, metadata: Mapping) -> Iterator[str]:
  """Yields the fields that are stored in another form than the schema's."""
  expected = record_features(
    metadata["audio"]["mels"], metadata["video"]["dimension"]
  )
  for name in sorted(set(expected) | set(features)):
    wanted, stored = (
      repr(each[name]) if name in each else "nothing"
      for each in (expected, features)
    )
    if wanted != stored:
      yield f"field {name}: expected {wanted}, found {stored}"


def _listing_faults(dataset_dir: Path, metadata: Mapping) -> Iterator[str]:
  """Yields faults in the list of shards, without reading any."""
  listed = metadata["shards"]
  present = {path.name for path in dataset_dir.glob("*.tfrecord-*")}
  for name in sorted(present - set(listed)):
    yield f"{name}: not in the metadata"
  for name in sorted(set(listed) - present):
    yield f"{name}: missing"
  owners = defaultdict(list)
  for name, shard in sorted(listed.items()):
    owners[shard["sha256"]].append(name)
  for names in owners.values():
    if len(names) > 1:
      yield f"{' and '.join(names)}: the same content"
  records = sum(shard["records"] for shard in listed.values())
  if records != sum(metadata["counts"].values()):
    yield f"shards hold {records} records, counts say {metadata['counts']}"


def _label_faults(record: Mapping, classes: Sequence[str]) -> Iterator[str]:
  """Yields what is wrong with the labels of one record."""
  polarity, intensity = record["polarity"], record["intensity"]
  if polarity not in (*POLARITIES, ""):
    yield f"polarity {polarity!r}"
  if record["emotion"] not in (*classes, ""):
    yield f"emotion {record['emotion']!r} is not in the scheme"
  if not abs(intensity) <= INTENSITY_LIMIT:
    yield f"intensity {intensity} is outside [-3, 3]"
  elif record["has_intensity"]:
    if polarity != polarity_of_intensity(intensity):
      yield f"polarity {polarity!r} contradicts the intensity {intensity}"
  elif intensity != 0:
    yield f"intensity {intensity} without has_intensity"


def _feature_faults(record: Mapping, most_frames: int | None) -> Iterator[str]:
  """Yields what is wrong with the arrays and contexts of one record."""
  for name in ("audio", "video"):
    values = record[name]
    if not np.isfinite(values).all():
      yield f"{name} holds NaN or infinite values"
    elif (
      len(values) > 1
      and values[0, 0] == values[-1, -1]
      and (values == values[0, 0]).all()
    ):
      yield f"{name} is one value throughout (no variance)"
  if most_frames is not None and len(record["video"]) > most_frames:
    yield f"video has {len(record['video'])} frames, more than {most_frames}"
  for side in ("before", "after"):
    if len(record[side]) != len(record[f"{side}_speakers"]):
      yield f"{side} and {side}_speakers differ in length"


def _context_faults(turns: Sequence[Mapping]) -> Iterator[str]:
  """Yields contexts that are not the neighbouring turns of a dialogue.

  A context also holds turns without labels, which are no records. So the texts
  of the neighbouring records must be in it in their order, nearest first, but
  others may stand between them. Contexts have a largest length: a record whose
  turn number is further away than that may be missing.

  Args:
    turns: "id", "turn", "text", "before", "after" of one dialogue's records.
  """
  turns = sorted(turns, key=lambda record: record["turn"])
  if len({record["turn"] for record in turns}) < len(turns):
    # Turns of equal numbers are in the order of the source, which records do
    # not keep.
    return
  for place, record in enumerate(turns):
    sides = {"before": turns[:place][::-1], "after": turns[place + 1 :]}
    for side, neighbours in sides.items():
      context = iter(record[side])
      full = len(record[side]) >= CONTEXT_TURNS
      for other in neighbours:
        distance = abs(other["turn"] - record["turn"])
        if full and distance > CONTEXT_TURNS:
          break
        if other["text"] not in context:
          yield (
            f"{record['id']}: {side} lacks turn {other['turn']} of its "
            f"dialogue ({other['id']}), or has it out of order"
          )
          break


class _RecordCheck:
  """Checks the records of a dataset, one after the other.

  Attributes:
    faults: faults found so far.
    counts: split -> number of records so far.
  """

  def __init__(self, metadata: Mapping):
    scheme = metadata["emotion_scheme"]
    self._classes = list(scheme["classes"]) if scheme else []
    self._most_frames = metadata["video"].get("frames")
    # Contexts that the source brought need not be the neighbouring turns.
    self._own_contexts = metadata.get("own_contexts", False)
    self._split_of_id: dict[str, str] = {}
    self._split_of_dialogue: dict[str, str] = {}
    self._dialogues = defaultdict(list)
    self.counts: Counter[str] = Counter()
    self.faults: list[str] = []

  def add(self, record: Mapping, split: str) -> None:
    """Checks a record alone and against those before it."""
    self.counts[split] += 1
    name, dialogue = record["id"], record["dialogue"]
    faults = [
      *_label_faults(record, self._classes),
      *_feature_faults(record, self._most_frames),
    ]
    if name in self._split_of_id:
      faults.append(f"id in {self._split_of_id[name]} and again in {split}")
    self._split_of_id[name] = split
    if dialogue:
      first = self._split_of_dialogue.setdefault(dialogue, split)
      if first != split:
        faults.append(f"dialogue {dialogue} is in {split} and in {first}")
      turn = {key: record[key] for key in _TURN_FIELDS}
      self._dialogues[dialogue].append(turn)
    self.faults += [f"{name}: {fault}" for fault in faults]

  def finish(self, counts: Mapping[str, int]) -> list[str]:
    """All faults, after the last record.

    Args:
      counts: split -> number of records, by the metadata.
    """
    if not self._own_contexts:
      for turns in self._dialogues.values():
        self.faults += _context_faults(turns)
    if dict(self.counts) != dict(counts):
      self.faults.append(
        f"read {dict(self.counts)} records, counts say {dict(counts)}"
      )
    return self.faults


def _read_shard(
  path: Path, split: str, features, check: _RecordCheck | None, progress
) -> tuple[str, list[str]]:
  """Checks the records of a shard while it is hashed.

  Args:
    path: shard file.
    split: split of the shard.
    features: features of the dataset; they parse a record.
    check: check of the records; None: the file is only hashed.
    progress: progress bar.

  Returns:
    The sha256 of the file, and what keeps its bytes from being records.
  """
  reader, faults = ShardReader(path), []
  for number, payload in enumerate(reader):
    progress.update()
    if check is None:
      continue
    try:
      record = features.deserialize_example_np(payload)
      record = {key: to_python(value) for key, value in record.items()}
    except Exception as error:  # TFDS and protobuf raise many kinds of errors
      faults.append(f"{path.name}: record {number} cannot be read: {error}")
    else:
      check.add(record, split)
  if reader.cut:
    faults.append(f"{path.name}: ends in the middle of a record")
  return reader.sha256, faults


def _content_faults(
  dataset_dir: Path, info, metadata: Mapping, check: _RecordCheck | None
) -> tuple[list[str], list[str]]:
  """Reads every shard once, for its hash and, with a check, for its records.

  Returns:
    Faults of the files, and faults of the records in them.
  """
  from tqdm import tqdm

  listed, unread = metadata["shards"], []
  split_of = {
    name: split
    for split in SPLITS
    if split in info.splits
    for name in info.splits[split].filenames
  }
  damaged = [
    f"{name}: of no split" for name in sorted(set(listed) - set(split_of))
  ]
  # Shown on a terminal only, and only when it takes over 10 s.
  with tqdm(
    desc=metadata["corpus"],
    total=sum(metadata["counts"].values()),
    unit=" records",
    delay=10,
    disable=None,
  ) as progress:
    for name, split in split_of.items():
      if name not in listed or not (dataset_dir / name).is_file():
        continue
      sha256, faults = _read_shard(
        dataset_dir / name, split, info.features, check, progress
      )
      unread += faults
      if sha256 != listed[name]["sha256"]:
        damaged.append(
          f"{name}: sha256 differs from the metadata; the file has changed"
        )
  return damaged, unread + (check.finish(metadata["counts"]) if check else [])


def verify_dataset(dataset_dir: Path) -> list[str]:
  """Checks one dataset, file by file and record by record; reads it once.

  Returns:
    The faults; empty if the dataset is sound.
  """
  try:
    info = load_builder(dataset_dir).info
    metadata = dict(info.metadata or {})
    missing = [key for key in _METADATA_KEYS if key not in metadata]
    if missing:
      return [f"metadata.json lacks {', '.join(missing)}"]
    faults = [
      *_metadata_faults(metadata),
      *_schema_faults(info.features, metadata),
    ]
    # Records with other fields cannot be checked. Faults of records in damaged
    # files are not printed: they only follow from the damage.
    check = None if faults else _RecordCheck(metadata)
    damaged, records = _content_faults(dataset_dir, info, metadata, check)
    faults += [*_listing_faults(dataset_dir, metadata), *damaged]
    return faults or records
  except InputError as error:
    return [str(error)]


def settings_faults(datasets: Mapping[str, Path]) -> list[str]:
  """Lists all corpora with their settings' hashes if these differ."""
  hashes = {}
  for name, path in datasets.items():
    try:
      metadata = load_builder(path).info.metadata or {}
    except InputError:
      continue  # among the faults of its own corpus
    hashes[name] = metadata.get("settings_sha256")
  if len(set(hashes.values())) < 2:
    return []
  return [f"{name}: {value}" for name, value in hashes.items()]


def describe_dataset(dataset_dir: Path) -> str:
  """How much a sound dataset holds: its records and the size of its shards."""
  counts = load_metadata(dataset_dir)["counts"]
  size = sum(each.stat().st_size for each in dataset_dir.glob("*.tfrecord-*"))
  return f"{sum(counts.values())} records, {size / 1e6:.1f} MB"
