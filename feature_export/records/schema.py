"""The record of one utterance: what the exporter writes and the trainer reads.

A change of a name, a type or a unit here needs a new SCHEMA_VERSION.
"""

import hashlib
import json
from collections import Counter

import numpy as np

from feature_export.corpora.utterance import (
  SPLITS,
  Corpus,
  StoredSettings,
  Utterance,
  resolve_polarity,
)
from feature_export.features.extracted import Extraction
from feature_export.features.settings import ExtractionSettings

SCHEMA_VERSION = 1
DATASET_VERSION = "1.0.0"
INFO_FILE = "dataset_info.json"  # without it there is no dataset


def record_features(mels: int, dimension: int):
  """The TFDS features of a record.

  Args:
    mels: number of bins of the log-Mel spectrogram.
    dimension: D of a frame embedding.

  Returns:
    tfds.features.FeaturesDict.
  """
  import tensorflow_datasets as tfds

  text = tfds.features.Text()
  texts = tfds.features.Sequence(text)

  def rows(width: int) -> tfds.features.Tensor:
    # As raw bytes, because TFRecords have no float16 and lists of floats are
    # slow to parse.
    return tfds.features.Tensor(
      shape=(None, width), dtype=np.float16, encoding="bytes"
    )

  return tfds.features.FeaturesDict(
    {
      "id": text,
      "dialogue": text,
      "turn": np.int32,
      "speaker": text,
      "text": text,
      "before": texts,
      "after": texts,
      "before_speakers": texts,
      "after_speakers": texts,
      "audio": rows(mels),
      "video": rows(dimension),
      "polarity": text,
      "intensity": np.float32,
      "has_intensity": np.bool_,
      "emotion": text,
    }
  )


def build_record(
  utterance: Utterance, extraction: Extraction, corpus: Corpus
) -> dict:
  """Puts one utterance into the form of `record_features`.

  An intensity that is not annotated is stored as 0 with has_intensity False.
  """
  has_intensity = utterance.intensity is not None
  return {
    "id": utterance.id,
    "dialogue": utterance.dialogue,
    "turn": utterance.turn,
    "speaker": utterance.speaker,
    "text": utterance.text,
    "before": list(utterance.before),
    "after": list(utterance.after),
    "before_speakers": list(utterance.before_speakers),
    "after_speakers": list(utterance.after_speakers),
    "audio": extraction.audio.values,
    "video": extraction.video.values,
    "polarity": resolve_polarity(
      utterance.polarity,
      utterance.intensity,
      utterance.emotion,
      corpus.scheme,
    ),
    "intensity": utterance.intensity if has_intensity else 0.0,
    "has_intensity": has_intensity,
    "emotion": utterance.emotion,
  }


def hash_settings(settings: dict) -> str:
  """The sha256 of the "audio" and "video" settings, in any key order."""
  chosen = {key: settings[key] for key in ("audio", "video")}
  canonical = json.dumps(chosen, sort_keys=True, separators=(",", ":"))
  return hashlib.sha256(canonical.encode()).hexdigest()


def _describe_stored(stored: StoredSettings) -> dict[str, dict]:
  """The "audio" and "video" settings of features that the corpus brings.

  Widths have the same keys as those of extracted features, so that readers need
  not tell the two kinds apart. The files' hashes are left out, because corpora
  of a mixture must have equal settings and come from different files.
  """
  origin = {"stored": stored.source, "nonfinite": stored.nonfinite}
  return {
    "audio": {**origin, "mels": stored.audio_dimension},
    "video": {**origin, "dimension": stored.video_dimension},
  }


def build_metadata(corpus: Corpus, settings: ExtractionSettings) -> dict:
  """The dataset's metadata, without the hashes of its shards."""
  scheme = corpus.scheme
  labelled = [each for each in corpus.utterances if each.labelled]
  counts = Counter(each.split for each in labelled)
  own_contexts = any(each.own_context for each in labelled)
  stored = corpus.stored
  described = _describe_stored(stored) if stored else settings.describe()
  return {
    "schema_version": SCHEMA_VERSION,
    "corpus": corpus.name,
    "emotion_scheme": scheme
    and {
      "name": scheme.name,
      "classes": {word: scheme.polarity[word] for word in scheme.classes},
    },
    "has_intensity": any(each.intensity is not None for each in labelled),
    **described,
    "settings_sha256": hash_settings(described),
    **({"source_files": stored.files} if stored else {}),
    **({"own_contexts": True} if own_contexts else {}),
    "counts": {split: counts[split] for split in SPLITS if counts[split]},
  }
