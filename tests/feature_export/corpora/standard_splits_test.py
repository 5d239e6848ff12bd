"""The packaged splits are those that were published."""

import json
from collections import Counter

import pytest

from feature_export.corpora.standard_splits import read_split

PUBLISHED = {"train": "train", "valid": "validation", "test": "test"}


@pytest.mark.parametrize(
  ("corpus", "counts"),
  [
    ("mosi", (52, 10, 31)),
    ("mosei", (2249, 300, 678)),
    ("iemocap", (108, 12, 31)),
  ],
)
def test_counts(corpus, counts):
  found = Counter(read_split(corpus).values())
  assert found == dict(zip(PUBLISHED.values(), counts, strict=True))


@pytest.mark.parametrize("corpus", ["mosi", "mosei"])
def test_folds_equal_the_published_files(real_data, corpus):
  path = real_data("folds") / f"cmu_{corpus}_std_folds.json"
  folds = json.loads(path.read_text())
  assert read_split(corpus) == {
    video: PUBLISHED[fold] for fold in folds for video in folds[fold]
  }


def test_iemocap_dialogues_equal_the_papers(real_data):
  path = real_data("iemocap") / "unimse_split.json"
  split = json.loads(path.read_text())
  assert read_split("iemocap") == {
    dialogue: PUBLISHED[name]
    for name in split
    for dialogue in split[name]["dialogues"]
  }
