"""Lengths like the corpora's, batches like the trainer's."""

import dataclasses

import numpy as np
import pytest

from configs import base, demo
from unimse_jax import config as config_lib
from unimse_jax.benchmarking import synthetic


@pytest.fixture(scope="module")
def config():
  return config_lib.validate(base.get_config().to_dict())


def without_context(config):
  return dataclasses.replace(config.text, window=0, prefix="", speakers=())


def test_each_corpus_has_its_published_mean_and_maximum(config):
  lengths = synthetic.text_lengths(without_context(config)) - 1  # </s>
  start = 0
  for corpus in synthetic.CORPORA.values():
    own = lengths[start : start + corpus.rows]
    # The mean of at least 1,284 draws whose deviation is 0.7 of the mean.
    assert own.mean() == pytest.approx(corpus.mean, rel=0.06)
    assert own.max() == corpus.longest
    start += corpus.rows
  assert start == len(lengths) == 1284 + 16326 + 9989 + 5237
  mosei = lengths[1284 : 1284 + 16326]
  assert np.percentile(mosei, 99) == pytest.approx(85, abs=5)  # measured: 85


def test_context_sums_over_the_window_within_a_dialogue(config):
  text = dataclasses.replace(without_context(config), window=1)
  own = np.array([1, 10, 100, 1000, 2])
  both = synthetic._with_context(own, 3, text)
  # A separator a neighbour; the second dialogue has two turns and a gap.
  np.testing.assert_array_equal(both[:3], [12, 113, 111])
  assert both[4] == 1003 + 1  # the gap's separator: one token too many
  past = dataclasses.replace(text, context="past")
  np.testing.assert_array_equal(
    synthetic._with_context(own, 3, past)[:4], [1, 12, 111, 1000]
  )


def test_context_lengthens_meld_as_measured(config):
  lengths = synthetic.text_lengths(config.text)
  meld = lengths[1284 + 16326 :][:9989]
  # 75.4 tokens with T5's vocabulary, two turns either side, names and </s>;
  # the prefix has 7 more. Real turns cluster, so the 99th comes a bit lower.
  assert meld.mean() == pytest.approx(75.4 + 7, rel=0.05)
  assert np.percentile(meld, 99) == pytest.approx(141 + 7, rel=0.05)


def test_test_sets_have_the_lengths_of_their_corpora(config):
  lengths = synthetic.lengths_of_test_sets(config.text)
  assert len(lengths) == 686 + 4659 + 2610 + 1650 == 9605
  train = synthetic.text_lengths(config.text)
  meld = lengths[686 + 4659 :][:2610]
  # Dialogues: twice as long as MOSEI's sentences, and as those of training.
  assert meld.mean() == pytest.approx(
    train[1284 + 16326 :][:9989].mean(), rel=0.03
  )
  assert set(lengths) <= set(train)


def test_nothing_is_longer_than_the_config_allows(config):
  text = dataclasses.replace(config.text, max_tokens=48)
  assert synthetic.text_lengths(text).max() == 48


def test_the_seed_decides(config):
  first = synthetic.text_lengths(config.text, seed=1)
  np.testing.assert_array_equal(first, synthetic.text_lengths(config.text, 1))
  assert (first != synthetic.text_lengths(config.text, 2)).any()


def test_a_batch_has_the_trainers_arrays(config):
  batch = synthetic.make_batch(config, np.array([5, 32]), size=3, length=32)
  shapes = {name: values.shape for name, values in batch.items()}
  assert shapes == {
    "encoder_input_tokens": (3, 32),
    "segment_ids": (3, 32),
    "encoder_mask": (3, 32),
    "decoder_input_tokens": (3, 12),
    "decoder_target_tokens": (3, 12),
    "loss_weights": (3, 12),
    "audio": (3, 157, 64),
    "audio_mask": (3, 157),
    "video": (3, 32, 64),
    "video_mask": (3, 32),
  }
  np.testing.assert_array_equal(batch["encoder_mask"].sum(1), [5, 32, 0])
  assert not batch["audio_mask"][2].any()
  labels = batch["loss_weights"].sum(1)
  assert 8 <= labels[0] <= 12 and labels[2] == 0
  assert batch["encoder_input_tokens"].max() < synthetic.T5_VOCABULARY


def test_the_config_decides_vocabulary_and_widths(config):
  small = config_lib.validate(demo.get_config().to_dict())
  assert synthetic.vocabulary_size(config) == 32128
  assert synthetic.vocabulary_size(small) == small.tokenizer.vocab_size
  data = dataclasses.replace(
    config.data, modalities=("video",), video_components=0
  )
  raw = dataclasses.replace(config, data=data)
  assert synthetic.frame_widths(raw) == {"video": 1280}
