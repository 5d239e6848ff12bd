"""The vectors that the exporter wrote, read for the training examples."""

import json
import pathlib

import numpy as np
import pytest

from unimse_jax.data import mixture, sentences
from unimse_jax.errors import InputError


@pytest.fixture
def labels(corpora, label_writer) -> pathlib.Path:
  """Labels with vectors, written by the exporter's own command."""
  return label_writer(corpora, "friends", "--sentences")


def _train(corpora, labels):
  return mixture.load(str(corpora), ["friends"], str(labels)).examples["train"]


def test_each_training_example_has_its_texts_vector(corpora, labels):
  examples = _train(corpora, labels)
  found = sentences.load(str(labels), examples[::-1])
  letters = "abcdefghijklmnopqrstuvwxyz"
  counts = np.array(
    [[1 + each.text.count(x) for x in letters] for each in examples]
  )
  expected = counts / np.linalg.norm(counts, axis=1, keepdims=True)
  assert found.dtype == np.float32
  # They are stored as float16.
  np.testing.assert_allclose(found[::-1], expected, atol=1e-3)


def test_no_vectors(corpora, labels):
  sentences.find(str(labels)).unlink()
  with pytest.raises(InputError, match="found none. Make the labels again"):
    sentences.find(str(labels))


def test_labels_that_were_made_again_without(corpora, labels):
  meta = labels.with_suffix(".meta.json")
  values = json.loads(meta.read_text())
  del values["sentences_sha256"]
  meta.write_text(json.dumps(values))
  with pytest.raises(InputError, match="--sentences"):
    sentences.find(str(labels))


def test_damaged_vectors(corpora, labels):
  file = sentences.find(str(labels))
  file.write_bytes(file.read_bytes()[:-1])
  with pytest.raises(InputError, match="damaged"):
    sentences.load(str(labels), _train(corpora, labels))


def test_held_out_texts_have_none(corpora, labels):
  examples = mixture.load(str(corpora), ["friends"], str(labels)).examples
  with pytest.raises(InputError, match="found none for 6, for example"):
    sentences.load(str(labels), examples["validation"])
