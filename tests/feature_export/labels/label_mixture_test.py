import numpy as np
import pytest

from feature_export.corpora.schemes import IEMOCAP, MELD, EmotionScheme
from feature_export.errors import InputError
from feature_export.labels.completion import Sample
from feature_export.labels.label_mixture import Dataset, embed_texts, mix
from feature_export.labels.sentences import SentenceEncoder


def _dataset(name, scheme=None, annotated=(), samples=()) -> Dataset:
  return Dataset(name, scheme, tuple(annotated), tuple(samples), {})


def test_slots_are_intensity_then_the_schemes():
  meld = _dataset("a", MELD, ["meld"])
  iemocap = _dataset("b", IEMOCAP, ["iemocap"])
  mosi = _dataset("c", None, ["intensity"])
  assert mix([meld, iemocap, mosi]).slots == ("intensity", "meld", "iemocap")
  assert mix([iemocap]).slots == ("iemocap",)
  # Two corpora of one scheme share its slot.
  assert mix([meld, _dataset("d", MELD, ["meld"])]).slots == ("meld",)


def test_one_scheme_name_for_two_lists_of_classes():
  other = EmotionScheme("meld", ("joy",), {"joy": "positive"})
  with pytest.raises(InputError, match="one emotion scheme per name"):
    mix([_dataset("a", MELD, ["meld"]), _dataset("b", other, ["meld"])])


def test_a_scheme_may_not_take_the_name_of_the_intensity():
  scheme = EmotionScheme("intensity", ("joy",), {"joy": "positive"})
  with pytest.raises(InputError, match="none called 'intensity'"):
    mix([_dataset("a", scheme, ["intensity"])])


def test_samples_are_checked():
  sample = Sample("a", "train", "x", "hm", "", None, {"meld": "surprise"})
  with pytest.raises(InputError, match="no polarity follows"):
    mix([_dataset("a", MELD, ["meld"], [sample])])


def test_every_distinct_text_is_embedded_once():
  seen = []

  def encode(texts):
    seen.extend(texts)
    return np.eye(len(texts))

  samples = [
    Sample("a", "train", str(at), text, "neutral")
    for at, text in enumerate(["x", "y", "x", "x"])
  ]
  rows, vectors = embed_texts(samples, SentenceEncoder("eye", "0" * 64, encode))
  assert rows.tolist() == [0, 1, 0, 0]
  assert seen == ["x", "y"]
  assert vectors.shape == (2, 2)
