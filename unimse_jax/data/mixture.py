"""The union of the corpora with their universal labels (section 3.2)."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from absl import logging

from unimse_cli import storage
from unimse_jax.data import label_file, provenance
from unimse_jax.data.records import SPLITS, CorpusRecords, Record, find
from unimse_jax.errors import InputError
from unimse_jax.files import hash_file
from unimse_jax.labels import LabelSchema, UniversalLabel
from unimse_jax.parallel import multihost

# How labels are completed unless the config asks for something else; a file
# that says nothing was made before there was a choice.
_USUAL = {"donors": "train", "donor_classes": "scheme"}


@dataclasses.dataclass(frozen=True)
class Mixture:
  """All labelled records of all splits.

  Attributes:
    corpora: name -> records.
    slots: fields of a label, as in the labels' .meta.json.
    examples: split -> records with their labels, corpus after corpus.
    provenance: hashes of datasets and labels, for the results file.
  """

  corpora: dict[str, CorpusRecords]
  slots: dict
  examples: dict[str, list[Record]]
  provenance: dict

  @property
  def sha256(self) -> str:
    """See `provenance.sha256`."""
    return provenance.sha256(self.provenance)

  @property
  def schema(self) -> LabelSchema:
    """The slots of the labels, typed."""
    return LabelSchema.from_slots(self.slots)

  @property
  def grid(self) -> list[float]:
    """The intensities of the training labels, rising."""
    rated = {example.label.intensity for example in self.examples["train"]}
    return sorted(rated - {None})

  def emotion_classes(self, corpus: str) -> tuple[str, ...]:
    """The classes that a corpus's emotion may be of; () where it has none.

    Its scheme's, less those that the labels leave out (D37).
    """
    scheme = self.corpora[corpus].scheme_name
    return self.schema.classes(scheme) if scheme else ()

  def frames(self, split: str, example: Record) -> dict[str, np.ndarray]:
    """The example's {"audio", "video"} frames, float16."""
    return self.corpora[example.corpus].frames(split, example.number)

  @property
  def extraction(self) -> dict:
    """How the features of all corpora were made: settings and their hash."""
    metadata = next(iter(self.corpora.values())).metadata
    return {
      name: metadata[name] for name in ("audio", "video", "settings_sha256")
    }

  @property
  def widths(self) -> dict[str, int]:
    """Width of a frame of each modality."""
    metadata = next(iter(self.corpora.values())).metadata
    return {
      "audio": metadata["audio"]["mels"],
      "video": metadata["video"]["dimension"],
    }


def load(
  data_dir: str,
  names: Sequence[str],
  labels: str,
  donors: str = "train",
  donor_classes: str = "scheme",
) -> Mixture:
  """Opens the corpora and joins the labels by corpus, split and id.

  Args:
    data_dir: folder that the exporter wrote to.
    names: corpora of the mixture.
    labels: file of their universal labels, FILE.jsonl.
    donors: the splits that labels may be completed from (D34).
    donor_classes: "scheme", or "authors_drop", whose labels leave records out
      (D37); how many is logged.

  Raises:
    InputError: everything that is missing, in one message; a damaged file; or
      datasets and labels that do not belong together.
  """
  faults = missing(data_dir, names, labels, donors, donor_classes)
  if faults:
    raise InputError("\n".join(f"  - {fault}" for fault in faults))
  corpora = {name: CorpusRecords(data_dir, name) for name in names}
  path = storage.fetch_with_companions(labels)
  meta = label_file.read_meta(path)
  _check_settings(corpora)
  _check_labels(corpora, meta, path)
  _check_rules(meta, {"donors": donors, "donor_classes": donor_classes}, path)
  schema = LabelSchema.from_slots(meta["slots"])
  label_of = label_file.read_labels(path, schema, _keys(corpora))
  examples = {
    split: [
      example
      for name in names
      for example in _join(
        corpora[name], split, label_of, _dropped(meta, name, split), path
      )
    ]
    for split in SPLITS
  }
  _check_splits(names, examples)
  metadata = {name: records.metadata for name, records in corpora.items()}
  hashes = provenance.of(metadata, meta)
  return Mixture(corpora, meta["slots"], examples, hashes)


def _keys(corpora: Mapping[str, CorpusRecords]) -> set[label_file.Key]:
  """(corpus, split, id) of all records."""
  return {
    (name, split, record.id)
    for name, records in corpora.items()
    for split in SPLITS
    for record in records.texts[split]
  }


def missing(
  data_dir: str,
  names: Sequence[str],
  labels: str,
  donors: str = "train",
  donor_classes: str = "scheme",
) -> list[str]:
  """What is not there, each with the command that makes it."""
  faults = []
  for name in names:
    try:
      find(data_dir, name)
    except InputError as error:
      faults.append(str(error))
  path = storage.fetch_with_companions(labels)
  meta_path = label_file.meta_path(path)
  if not path.is_file() or not meta_path.is_file():
    faults.append(
      f"Universal labels: expected {labels} and {meta_path.name} beside it, "
      "found none. Make them with\n"
      f"      python -m feature_export.universal_labels --data {data_dir} "
      f"--corpora {','.join(names)} --out {labels}"
      + "".join(
        f" --{name} {value}"
        for name, value in (
          ("donors", donors),
          ("donor_classes", donor_classes),
        )
        if value != _USUAL[name]
      )
    )
  return faults


def _check_settings(corpora: dict[str, CorpusRecords]) -> None:
  """Features made with different settings must not be mixed."""
  settings = {
    name: records.metadata["settings_sha256"]
    for name, records in corpora.items()
  }
  if len(set(settings.values())) > 1:
    raise InputError(
      "Datasets: expected one set of extraction settings over all corpora, "
      f"found {settings}. Export them again with the same options "
      "(metadata.json beside the records has the settings)."
    )


def _check_labels(
  corpora: dict[str, CorpusRecords], meta: dict, path: pathlib.Path
) -> None:
  """The labels must be whole, and made from these datasets."""
  if hash_file(path) != meta["labels_sha256"]:
    raise InputError(
      f"Universal labels: {path} does not have the sha256 of its .meta.json; "
      "it was changed or cut. Make it again."
    )
  missing = [name for name in corpora if name not in meta["datasets"]]
  if missing or set(meta["datasets"]) - set(corpora):
    raise InputError(
      f"Universal labels: expected labels for exactly the corpora "
      f"{sorted(corpora)}, found {sorted(meta['datasets'])} in {path}. A "
      "corpus that is left out must not be a donor either: make the labels "
      "again with --corpora."
    )
  # The hashes of all shards stand in metadata.json: one sha256 tells them all.
  stale = [
    name
    for name, records in corpora.items()
    if hash_file(records.directory / "metadata.json")
    != meta["datasets"][name]["metadata_sha256"]
  ]
  if stale:
    raise InputError(
      f"Universal labels: {', '.join(stale)} was exported again since {path} "
      "was made; make the labels again."
    )


def _check_rules(
  meta: dict, wanted: Mapping[str, str], path: pathlib.Path
) -> None:
  """Labels that leak (D34) or lack records (D37) must be asked for by name."""
  used = {name: meta.get(name, usual) for name, usual in _USUAL.items()}
  faults = [
    f"Universal labels: other rules than the config's: config.data.{name} is "
    f"{value!r}, found labels made with --{name} {used[name]} in {path}. Make "
    f"them again with --{name} {value}, or set "
    f"--config.data.{name}={used[name]}."
    for name, value in wanted.items()
    if used[name] != value
  ]
  if faults:
    raise InputError("\n".join(faults))


def _dropped(meta: dict, corpus: str, split: str) -> int:
  """Records that the labels leave out on purpose (D37)."""
  reasons = meta.get("dropped", {}).values()
  return sum(each.get(corpus, {}).get(split, 0) for each in reasons)


def _check_splits(
  names: Sequence[str], examples: Mapping[str, Sequence[Record]]
) -> None:
  there = {
    (example.corpus, split) for split in SPLITS for example in examples[split]
  }
  empty = [
    f"{name}/{split}"
    for name in names
    for split in ("train", "validation")
    if (name, split) not in there
  ]
  if empty:
    raise InputError(
      f"Datasets: expected train and validation examples in every corpus, "
      f"found none in {', '.join(empty)}."
    )


def _join(
  records: CorpusRecords,
  split: str,
  labels: Mapping[label_file.Key, UniversalLabel],
  dropped: int,
  path: pathlib.Path,
) -> list[Record]:
  """The labelled records of a corpus's split.

  Args:
    records: the corpus's records.
    split: its split.
    labels: labels by (corpus, split, id).
    dropped: number of records that have no label on purpose.
    path: labels file, for messages.
  """
  examples, missing = [], []
  for record in records.texts[split]:
    label = labels.get((records.name, split, record.id))
    if label is None:
      missing.append(record.id)
    else:
      examples.append(dataclasses.replace(record, label=label))
  if len(missing) != dropped:
    raise InputError(
      f"Universal labels: {len(missing)} records of {records.name}/{split} "
      f"have none in {path} ({dropped} were left out on purpose), for example "
      f"{missing[:3]}. The corpus was exported again since; make the labels "
      "again."
    )
  if dropped and multihost.is_first():
    logging.warning(
      "%s/%s: %d of %d records have no universal label (their own class or "
      "their donor's is outside the task, D37) and are left out.",
      *(records.name, split, dropped, dropped + len(examples)),
    )
  return examples
