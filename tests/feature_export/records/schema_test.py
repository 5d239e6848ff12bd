"""Tests of the record contract."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from feature_export.corpora.schemes import MELD
from feature_export.corpora.utterance import Corpus, Utterance
from feature_export.features.extracted import Extraction, absent
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  VideoSettings,
)
from feature_export.records.schema import (
  build_metadata,
  build_record,
  hash_settings,
  record_features,
)

SETTINGS = ExtractionSettings(
  AudioSettings(), VideoSettings("net", "0" * 64), Path("/somewhere/net.pt")
)
NOTHING = Extraction(absent(64), absent(1280))


def test_fields_are_the_contract():
  features = record_features(64, 1280)
  assert list(features) == [
    *("id", "dialogue", "turn", "speaker", "text"),
    *("before", "after", "before_speakers", "after_speakers"),
    *("audio", "video", "polarity", "intensity", "has_intensity", "emotion"),
  ]
  assert features["turn"].np_dtype == np.int32
  assert features["intensity"].np_dtype == np.float32
  assert features["has_intensity"].np_dtype == np.bool_
  assert features["audio"].shape == (None, 64)
  assert features["video"].shape == (None, 1280)
  assert features["audio"].np_dtype == features["video"].np_dtype == np.float16


def test_record_has_exactly_the_schema_s_fields():
  utterance = Utterance("a", "train", "hi", emotion="joy")
  utterance = replace(utterance, before=("x",), before_speakers=("A",))
  corpus = Corpus("mine", (utterance,), MELD)
  record = build_record(utterance, NOTHING, corpus)
  assert set(record) == set(record_features(64, 1280))
  assert (record["before"], record["before_speakers"]) == (["x"], ["A"])
  # Derived from the class; the intensity is unknown, not zero.
  assert record["polarity"] == "positive"
  assert (record["intensity"], record["has_intensity"]) == (0.0, False)


def test_intensity_zero_is_an_intensity():
  utterance = Utterance("a", "train", "hi", intensity=0.0)
  corpus = Corpus("mine", (utterance,), None)
  record = build_record(utterance, NOTHING, corpus)
  assert (record["intensity"], record["has_intensity"]) == (0.0, True)
  assert record["polarity"] == "neutral"


def test_metadata_counts_labelled_and_holds_no_paths():
  utterances = (
    Utterance("a", "train", "", emotion="joy"),
    Utterance("b", "train", ""),
    Utterance("c", "validation", "", emotion="fear"),
  )
  metadata = build_metadata(Corpus("mine", utterances, MELD), SETTINGS)
  assert metadata["counts"] == {"train": 1, "validation": 1}
  assert metadata["has_intensity"] is False
  assert list(metadata["emotion_scheme"]["classes"]) == list(MELD.classes)
  assert "/somewhere" not in str(metadata)
  assert build_metadata(Corpus("n", (), None), SETTINGS)["emotion_scheme"] is (
    None
  )


def test_settings_hash_depends_on_values_only():
  described = SETTINGS.describe()
  reordered = {
    key: dict(reversed(described[key].items())) for key in ("video", "audio")
  }
  assert hash_settings(described) == hash_settings(reordered)
  reordered["audio"]["hop"] += 1
  assert hash_settings(described) != hash_settings(reordered)
