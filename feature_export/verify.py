"""Checks exported datasets.

    python -m feature_export.verify --data DATA_DIR

Exit status 0: sound; 1: faults, listed; 2: nothing to check.
"""

import argparse
import sys
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
from feature_export.errors import InputError, list_faults
from feature_export.files import hash_file
from feature_export.records.reader import (
  dataset_dirs,
  load_builder,
  read_records,
)
from feature_export.records.schema import (
  SCHEMA_VERSION,
  hash_settings,
  record_features,
)

_METADATA_KEYS = (
  *("schema_version", "corpus", "emotion_scheme", "has_intensity"),
  *("audio", "video", "settings_sha256", "counts", "shards"),
)


def _metadata_faults(metadata: Mapping) -> Iterator[str]:
  """Yields what is wrong with the metadata by itself."""
  if metadata["schema_version"] != SCHEMA_VERSION:
    yield (
      f"schema version {metadata['schema_version']}, expected {SCHEMA_VERSION}"
    )
  if hash_settings(metadata) != metadata["settings_sha256"]:
    yield "settings_sha256 does not belong to the audio and video settings"


def _schema_faults(features: Mapping, metadata: Mapping) -> Iterator[str]:
  """Yields the fields whose stored form is not the schema's."""
  expected = record_features(
    metadata["audio"]["mels"], metadata["video"]["dimension"]
  )
  for name in sorted(set(expected) | set(features)):
    wanted, found = (
      repr(each[name]) if name in each else "nothing"
      for each in (expected, features)
    )
    if wanted != found:
      yield f"field {name}: expected {wanted}, found {found}"


def _shard_faults(dataset_dir: Path, metadata: Mapping) -> Iterator[str]:
  """Yields shards that are missing, extra or changed since the export."""
  listed = metadata["shards"]
  present = {path.name for path in dataset_dir.glob("*.tfrecord-*")}
  for name in sorted(present - set(listed)):
    yield f"{name}: not in the metadata"
  for name, shard in sorted(listed.items()):
    if name not in present:
      yield f"{name}: missing"
    elif hash_file(dataset_dir / name) != shard["sha256"]:
      yield f"{name}: sha256 differs from the metadata; the file has changed"
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
    if not np.isfinite(record[name]).all():
      yield f"{name} holds NaN or infinite values"
    elif len(record[name]) > 1 and np.ptp(record[name]) == 0:
      yield f"{name} is one value throughout (no variance)"
  if most_frames is not None and len(record["video"]) > most_frames:
    yield f"video has {len(record['video'])} frames, more than {most_frames}"
  for side in ("before", "after"):
    if len(record[side]) != len(record[f"{side}_speakers"]):
      yield f"{side} and {side}_speakers differ in length"


def _show_progress(
  records: Iterator[dict], metadata: Mapping, split: str
) -> Iterator[dict]:
  """The records, with a bar on a terminal when they take over 10 s."""
  from tqdm import tqdm

  return tqdm(
    records,
    desc=f"{metadata['corpus']}/{split}",
    total=metadata["counts"].get(split),
    unit=" records",
    delay=10,
    disable=None,
  )


def _context_faults(turns: Sequence[Mapping]) -> Iterator[str]:
  """Yields contexts that are not the neighbouring turns of a dialogue.

  Unlabelled turns are no records and may stand in between, so the records
  must be found among a context in their order, nearest first. One that lies
  more numbers away than a context is long may have been crowded out.

  Args:
    turns: "id", "turn", "text", "before", "after" of one dialogue's records.
  """
  turns = sorted(turns, key=lambda record: record["turn"])
  if len({record["turn"] for record in turns}) < len(turns):
    return  # the order of equal turns is the source's; records lost it
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


def _record_faults(dataset_dir: Path, metadata: Mapping) -> Iterator[str]:
  """Reads every record and yields what is wrong with it."""
  fields = list(record_features(1, 1))
  classes = list((metadata["emotion_scheme"] or {"classes": ()})["classes"])
  split_of_id, split_of_dialogue = {}, {}
  counts, dialogues = Counter(), defaultdict(list)
  kept = ("id", "turn", "text", "before", "after")
  for split in SPLITS:
    for record in _show_progress(
      read_records(dataset_dir, split, fields), metadata, split
    ):
      counts[split] += 1
      name = record["id"]
      if name in split_of_id:
        yield f"{name}: id in {split_of_id[name]} and again in {split}"
      split_of_id[name] = split
      dialogue = record["dialogue"]
      if dialogue and split_of_dialogue.setdefault(dialogue, split) != split:
        yield (
          f"{name}: dialogue {dialogue} is in {split} and in "
          f"{split_of_dialogue[dialogue]}"
        )
      for fault in _label_faults(record, classes):
        yield f"{name}: {fault}"
      for fault in _feature_faults(record, metadata["video"].get("frames")):
        yield f"{name}: {fault}"
      if dialogue:
        dialogues[dialogue].append({key: record[key] for key in kept})
  for turns in dialogues.values():
    yield from _context_faults(turns)
  if dict(counts) != dict(metadata["counts"]):
    yield f"read {dict(counts)} records, counts say {metadata['counts']}"


def verify_dataset(dataset_dir: Path) -> list[str]:
  """Checks one dataset, file by file and record by record.

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
      *_shard_faults(dataset_dir, metadata),
    ]
    # Damaged files and foreign fields would only repeat themselves.
    return faults or list(_record_faults(dataset_dir, metadata))
  except InputError as error:
    return [str(error)]


def _settings_faults(datasets: Mapping[str, Path]) -> list[str]:
  """Corpora of one folder whose features were extracted differently."""
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


def verify(data_dir: Path) -> dict[str, list[str]]:
  """Checks all datasets below a folder, alone and against each other.

  Returns:
    corpus -> its faults; "settings" -> disagreement between corpora.

  Raises:
    InputError: no folder, or no dataset in it.
  """
  datasets = dataset_dirs(data_dir)
  faults = {name: verify_dataset(path) for name, path in datasets.items()}
  # A mixture needs one meaning of "audio" and "video".
  faults["settings"] = _settings_faults(datasets)
  return faults


def main(arguments: Sequence[str] | None = None) -> int:
  """The command; returns its exit status."""
  parser = argparse.ArgumentParser(prog="python -m feature_export.verify")
  parser.add_argument("--data", required=True, type=Path, help="DATA_DIR")
  options = parser.parse_args(arguments)
  try:
    faults = verify(options.data)
  except InputError as error:
    print(error, file=sys.stderr)
    return 2
  for name, found in faults.items():
    if found:
      print(list_faults(f"{name} has faults", found), file=sys.stderr)
    elif name != "settings":
      print(f"{name}: sound")
  return 1 if any(faults.values()) else 0


if __name__ == "__main__":
  sys.exit(main())
