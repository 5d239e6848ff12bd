"""Exported corpora side by side: their texts, labels and common slots.

It reads records from disk for the pure functions of `completion`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from feature_export.corpora.schemes import (
  EmotionScheme,
  parse_scheme,
  task_scheme,
)
from feature_export.corpora.utterance import (
  SPLITS,
  resolve_polarity,
)
from feature_export.errors import InputError
from feature_export.labels import completion
from feature_export.labels.completion import INTENSITY, Donor, Rules, Sample
from feature_export.labels.sentences import SentenceEncoder, embed
from feature_export.records.reader import (
  find_dataset,
  load_metadata,
  read_records,
)

_FIELDS = (
  *("id", "text", "dialogue", "polarity"),
  *("intensity", "has_intensity", "emotion"),
)
_METADATA_FILE = "metadata.json"


@dataclass(frozen=True)
class Dataset:
  """The texts and labels of one exported corpus.

  Attributes:
    name: corpus name.
    scheme: emotion scheme; None: no emotion is annotated.
    annotated: slots that the corpus annotates.
    samples: texts and labels of all records.
    hashes: settings_sha256 and metadata_sha256, for the meta file.
  """

  name: str
  scheme: EmotionScheme | None
  annotated: tuple[str, ...]
  samples: tuple[Sample, ...]
  hashes: dict[str, str]


@dataclass(frozen=True)
class LabelMixture:
  """Datasets, and the slots that their universal labels have.

  Attributes:
    datasets: corpora, in the order of --corpora.
    schemes: scheme name -> scheme of the labels, in the order of the datasets.
    slots: "intensity" first, if any corpus annotates it; then scheme names.
  """

  datasets: tuple[Dataset, ...]
  schemes: dict[str, EmotionScheme]
  slots: tuple[str, ...]

  @property
  def samples(self) -> list[Sample]:
    """All samples, dataset by dataset."""
    return [each for dataset in self.datasets for each in dataset.samples]

  @property
  def incomplete(self) -> bool:
    """Whether any sample lacks a slot; one corpus alone often lacks none."""
    return any(
      sample.label(slot) is None
      for sample in self.samples
      for slot in self.slots
    )


def _tidy(intensity: float) -> float:
  """A float32 as a short decimal, and -0.0 as 0.0."""
  return round(intensity, 6) + 0.0


def _to_sample(
  corpus: str, split: str, record: dict, scheme: EmotionScheme | None
) -> Sample:
  intensity = _tidy(record["intensity"]) if record["has_intensity"] else None
  emotion = record["emotion"]
  known = scheme is not None and emotion in scheme.classes
  return Sample(
    corpus,
    split,
    record["id"],
    record["text"],
    resolve_polarity(record["polarity"], intensity, emotion, scheme),
    intensity,
    {scheme.name: emotion} if known else {},
    record["dialogue"],
  )


def load_dataset(data_dir: Path, name: str) -> Dataset:
  """Reads texts and labels of an exported corpus.

  Raises:
    InputError: no such dataset, or a damaged one.
  """
  folder = find_dataset(data_dir, name)
  metadata = load_metadata(folder)
  scheme = metadata["emotion_scheme"]
  if scheme is not None:
    scheme = parse_scheme(scheme, f"The emotion scheme of {folder}")
  samples = tuple(
    _to_sample(name, split, record, scheme)
    for split in SPLITS
    for record in read_records(folder, split, _FIELDS)
  )
  slots = ([INTENSITY] if metadata["has_intensity"] else []) + (
    [scheme.name] if scheme else []
  )
  content = (folder / _METADATA_FILE).read_bytes()
  hashes = {
    "settings_sha256": metadata["settings_sha256"],
    "metadata_sha256": hashlib.sha256(content).hexdigest(),
  }
  return Dataset(name, scheme, tuple(slots), samples, hashes)


def mix(
  datasets: Sequence[Dataset], donor_classes: str = "scheme"
) -> LabelMixture:
  """Joins datasets and finds the slots of their universal labels.

  Args:
    datasets: datasets from `load_dataset`.
    donor_classes: rule as in `Rules`; with "authors_drop" the labels hold the
      classes of the published task alone.

  Raises:
    InputError: one scheme name for different classes, an emotion scheme
      called "intensity", or records without a polarity.
  """
  schemes = {}
  for dataset in datasets:
    if dataset.scheme is None:
      continue
    known = schemes.setdefault(dataset.scheme.name, dataset.scheme)
    if known != dataset.scheme or known.name == INTENSITY:
      raise InputError(
        f"Expected one emotion scheme per name, and none called {INTENSITY!r};"
        f" found {known.name!r} with the classes {', '.join(known.classes)} "
        f"and, in {dataset.name}, {', '.join(dataset.scheme.classes)}. Give "
        "the schemes different names and export again."
      )
  has_intensity = any(INTENSITY in each.annotated for each in datasets)
  slots = (*([INTENSITY] if has_intensity else []), *schemes)
  if donor_classes == "authors_drop":
    schemes = {name: task_scheme(each) for name, each in schemes.items()}
  mixture = LabelMixture(tuple(datasets), schemes, slots)
  completion.check_samples(mixture.samples)
  return mixture


def embed_texts(
  samples: Sequence[Sample],
  encoder: SentenceEncoder,
  cache_dir: Path | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """Embeds every distinct text once.

  Returns:
    int64[len(samples)], each sample's row, and float32[U, D], rows of
    length 1.

  Raises:
    InputError: the encoder cannot be loaded.
  """
  row_of = {}
  rows = [row_of.setdefault(each.text, len(row_of)) for each in samples]
  return np.array(rows), embed(list(row_of), encoder, cache_dir)


def complete(
  mixture: LabelMixture,
  text_rows: np.ndarray,
  embeddings: np.ndarray,
  rules: Rules,
) -> list[dict[str, Donor]]:
  """Finds the donors of a mixture.

  Args:
    mixture: mixture from `mix`.
    text_rows, embeddings: result of `embed_texts` for its samples.
    rules: choice of donors.

  Returns:
    For each of `mixture.samples`: slot -> donor.
  """
  samples = mixture.samples
  completions = [{} for _ in samples]
  for slot in mixture.slots:
    scheme = mixture.schemes.get(slot)
    classes = scheme.classes if scheme else None
    donors = completion.find_donors(
      samples, text_rows, embeddings, slot, classes, rules
    )
    completion.check_donors(list(donors.values()), rules.donors)
    for position, donor in donors.items():
      completions[position][slot] = donor
  return completions


def drop_outside(
  mixture: LabelMixture, completions: Sequence[dict[str, Donor]]
) -> tuple[LabelMixture, list[dict[str, Donor]], dict[str, dict]]:
  """Leaves out the samples that the authors' code drops (D37).

  Args:
    mixture: mixture from `mix` with "authors_drop".
    completions: slot -> donor for each of its samples, from `complete`.

  Returns:
    The mixture without the dropped samples, the donors of the others, and
    reason -> corpus -> split -> number of dropped samples.
  """
  classes = {name: each.classes for name, each in mixture.schemes.items()}
  samples = mixture.samples
  left, dropped = completion.drop_outside(samples, completions, classes)
  counts = {}
  for position, reason in dropped.items():
    sample = samples[position]
    splits = counts.setdefault(reason, {}).setdefault(sample.corpus, {})
    splits[sample.split] = splits.get(sample.split, 0) + 1
  gone = {samples[position].key for position in dropped}
  datasets = tuple(
    replace(
      dataset,
      samples=tuple(each for each in dataset.samples if each.key not in gone),
    )
    for dataset in mixture.datasets
  )
  donors = [each for at, each in enumerate(left) if at not in dropped]
  return replace(mixture, datasets=datasets), donors, counts
