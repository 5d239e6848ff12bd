"""The slots of a schema, and their order."""

import pytest

from unimse_jax.labels import LabelSchema

_SLOTS = {
  "polarity": ["negative", "neutral", "positive"],
  "intensity": True,
  "emotions": {
    "meld": {"joy": "positive", "surprise": ""},
    "iemocap": {"excited": "positive"},
  },
}


def test_slots_stand_in_the_order_of_the_meta_file():
  schema = LabelSchema.from_slots(_SLOTS)
  assert schema.slots == ("polarity", "intensity", "meld", "iemocap")


def test_a_mixture_without_intensities_has_no_such_slot():
  schema = LabelSchema.from_slots({**_SLOTS, "intensity": False})
  assert schema.slots == ("polarity", "meld", "iemocap")


def test_closed_slots_name_their_classes_in_order():
  schema = LabelSchema.from_slots(_SLOTS)
  assert schema.classes("polarity") == ("negative", "neutral", "positive")
  assert schema.classes("meld") == ("joy", "surprise")


def test_an_open_or_unknown_slot_has_no_classes():
  schema = LabelSchema.from_slots(_SLOTS)
  for slot in ("intensity", "mosi"):
    with pytest.raises(KeyError):
      schema.classes(slot)
