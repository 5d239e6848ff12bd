"""Tests of the counts of one dataset."""

from dataclasses import replace

import numpy as np
import pytest

from feature_export.corpora.utterance import SPLITS, Corpus, Utterance
from feature_export.features.extracted import Extraction, Features, absent
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  VideoSettings,
)
from feature_export.features.speech import (
  RATE,
  SpeechEncoder,
  SpeechSettings,
  embed_speech,
)
from feature_export.records.builder import write_draft
from feature_export.records.schema import build_metadata, build_record
from feature_export.tables import statistics


def test_counts_and_lengths(export_raw, tmp_path):
  assert export_raw() == 0
  found = statistics.compute_statistics(tmp_path / "data" / "mine" / "1.0.0")
  assert found.clips == {"train": 2, "validation": 1, "test": 1}
  assert found.emotions["joy"] == {"train": 1, "validation": 0, "test": 0}
  assert found.emotions["surprise"]["test"] == 1
  # Two clips of 0.5 s are heard; the broken one does not count as 0 s.
  assert found.audio_clips == 2
  assert found.mean_seconds == pytest.approx(0.5, abs=0.032)


@pytest.mark.parametrize("pool", [1, 2, 3])
def test_lengths_of_a_speech_model_s_states(tmp_path, pool):
  """Clips of 10 s; by the spectrogram's hop two states gave 8 s."""
  speech = SpeechSettings("wav2vec2", "0" * 64, pool=pool)
  # A convolutional front end has a state each 320 samples, from 400 on.
  encoder = SpeechEncoder(
    lambda samples: np.ones((1 + (len(samples) - 400) // 320, 768), np.float32)
  )
  states = embed_speech(np.zeros(10 * RATE, np.float32), speech, encoder)
  audio = replace(AudioSettings(), speech=speech, mels=768)
  settings = ExtractionSettings(audio, VideoSettings("x", "y"))
  one = Utterance(id="a", split="train", text="hi", intensity=1.0)
  corpus = Corpus("mosi", (one,), None)
  extraction = Extraction(Features(states), absent(1280))
  made = write_draft(
    "mosi",
    build_metadata(corpus, settings),
    {split: [split] for split in SPLITS},
    lambda ids: (
      build_record(replace(one, id=each, split=each), extraction, corpus)
      for each in ids
    ),
    tmp_path / "draft",
  )
  found = statistics.compute_statistics(made)
  assert found.audio_clips == 3
  # The last frame is of fewer states, or lacks one.
  assert found.mean_seconds == pytest.approx(10, abs=pool * 320 / RATE)


def test_corpus_without_audio_has_no_length():
  none = statistics.Statistics({"train": 1}, {}, 0, 0.0)
  assert none.mean_seconds is None
  assert "-" in statistics.format_statistics({"text": none}).splitlines()[1]
