import io
from pathlib import Path

import numpy as np

from feature_export.labels.completion import Sample
from feature_export.labels.training_sentences import pack, sentences_file


def test_training_texts_alone_are_packed():
  samples = [
    Sample(corpus, split, str(at), "", "neutral")
    for at, (corpus, split) in enumerate(
      [("a", "train"), ("a", "test"), ("b", "train"), ("b", "train")]
    )
  ]
  # Two samples say the same; the held-out one has a text of its own.
  rows = np.array([2, 1, 0, 2])
  vectors = np.eye(3, 5, dtype=np.float32)
  stored = np.load(io.BytesIO(pack(samples, rows, vectors)))
  assert stored["keys"].tolist() == ["a/0", "b/2", "b/3"]
  assert stored["vectors"].shape == (2, 5)
  assert stored["vectors"].dtype == np.float16
  found = stored["vectors"][stored["rows"]]
  np.testing.assert_array_equal(found, vectors[[2, 0, 2]])


def test_the_file_lies_beside_the_labels():
  found = sentences_file(Path("data/all.jsonl"))
  assert found == Path("data/all.sentences.npz")
