"""Tests of what is said of completed labels."""

import pytest

from feature_export.labels.completion import Donor, Sample
from feature_export.labels.label_mixture import Dataset, LabelMixture
from feature_export.labels.summary import warn_of_copies, warn_of_strangers


@pytest.fixture
def mixture() -> LabelMixture:
  """Four turns of two dialogues without an intensity."""
  samples = tuple(
    Sample(
      "meld", "train", f"u{n}", f"text {n}", "positive", dialogue=f"d{n % 2}"
    )
    for n in range(4)
  )
  dataset = Dataset("meld", None, (), samples, {})
  return LabelMixture((dataset,), {}, ("intensity",))


def _donors(*similarities: float) -> list[dict[str, Donor]]:
  return [
    {
      "intensity": Donor(
        Sample("mosi", "train", f"v{n}", "so good", "positive", 1.5), cosine
      )
    }
    for n, cosine in enumerate(similarities)
  ]


def test_donors_of_unrelated_texts_are_counted(mixture):
  (warning,) = warn_of_strangers(mixture, _donors(0.9, 0.19, -0.01, 0.2))
  assert warning.startswith(
    "warning: intensity: 2 of 4 completions (50.0%) have a donor of "
    "similarity below 0.2, down to -0.01"
  )
  assert list(warn_of_strangers(mixture, _donors(0.9, 0.8, 0.7, 0.2))) == []
  assert list(warn_of_strangers(mixture, [{}] * 4)) == []


def test_dialogues_with_one_donor_throughout_are_told(mixture):
  one, other = _donors(0.9, 0.8)
  (warning,) = warn_of_copies(mixture, [one, other, one, other])
  assert "2 of 2 dialogues have one and the same donor" in warning
  assert list(warn_of_copies(mixture, _donors(0.9, 0.8, 0.7, 0.6))) == []
