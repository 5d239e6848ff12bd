"""Weights of rare emotions."""

import pytest

from unimse_jax import labels
from unimse_jax.labels import LabelSchema, UniversalLabel

SCHEMA = LabelSchema.from_slots(
  {
    "intensity": False,
    "emotions": {
      "moods": {"joy": "positive", "anger": "negative", "calm": "neutral"},
      "looks": {"smile": "positive", "frown": "negative"},
    },
  }
)


def label(mood: str | None = None, look: str | None = None, **donors):
  return UniversalLabel("", None, {"moods": mood, "looks": look}, donors)


def weigh(given, power: float, schema: LabelSchema = SCHEMA):
  return labels.class_weights(labels.count_classes(given, schema), power)


LABELS = [label("joy")] * 8 + [label("anger")] * 2


def test_no_power_is_no_weight():
  weights = weigh(LABELS, 0.0)
  assert weights == {"moods": {"joy": 1.0, "anger": 1.0}}


def test_full_power_gives_each_class_the_same_in_all():
  weights = weigh(LABELS, 1.0)["moods"]
  assert 8 * weights["joy"] == pytest.approx(2 * weights["anger"])


@pytest.mark.parametrize("power", [0.3, 0.5, 1.0])
def test_an_annotated_emotion_weighs_one_on_average(power):
  weights = weigh(LABELS, power)["moods"]
  assert 8 * weights["joy"] + 2 * weights["anger"] == pytest.approx(10)
  assert weights["anger"] / weights["joy"] == pytest.approx(4**power)


def test_what_donors_gave_is_not_counted():
  given = [label("joy", "frown", looks={"donor": "x"})] * 5 + [
    label("anger", "smile")
  ]
  weights = weigh(given, 1.0)
  assert weights["looks"] == {"smile": 1.0}
  assert weights["moods"].keys() == {"joy", "anger"}


def test_one_emotion_slot_counts_what_is_written():
  given = [label("joy")] * 3 + [label("anger")]
  weights = weigh(given, 1.0, SCHEMA.three_field())
  assert weights["emotion"]["anger"] == pytest.approx(2.0)
