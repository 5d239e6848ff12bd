"""What was annotated counts; what a donor gave does not."""

import numpy as np

from unimse_jax.data.annotations import Annotations
from unimse_jax.data.records import Record
from unimse_jax.labels import EmotionScheme, LabelSchema, UniversalLabel

_MOODS = EmotionScheme("moods", {"joy": "positive", "anger": "negative"})
_SCHEMA = LabelSchema(intensity=True, schemes=(_MOODS,))
_DONOR = {"donor": "films/train/1", "similarity": 0.5}


def record(intensity, emotion, *completed) -> Record:
  donors = dict.fromkeys(completed, _DONOR)
  label = UniversalLabel("positive", intensity, {"moods": emotion}, donors)
  return Record(id="1", text="", label=label)


def test_only_what_was_annotated_has_a_weight():
  records = [
    record(1.5, "anger", "moods"),
    record(0.5, "anger", "intensity"),
    record(None, None),
  ]
  found = Annotations(_SCHEMA, {}).arrays([4, 2, 7], records, 5)
  np.testing.assert_array_equal(found["example"], [4, 2, 7, -1, -1])
  np.testing.assert_array_equal(found["intensity"], [1.5, 0, 0, 0, 0])
  np.testing.assert_array_equal(found["intensity_weight"], [1, 0, 0, 0, 0])
  np.testing.assert_array_equal(found["emotion_moods"], [0, 1, 0, 0, 0])
  np.testing.assert_array_equal(found["emotion_moods_weight"], [0, 1, 0, 0, 0])


def test_an_emotion_weighs_what_its_class_does():
  weights = {"moods": {"anger": 3.0}}
  records = [record(1.0, "anger"), record(1.0, "joy")]
  found = Annotations(_SCHEMA, weights).arrays([0, 1], records, 2)
  np.testing.assert_array_equal(found["emotion_moods_weight"], [3, 1])


def test_without_intensities_there_is_no_such_array():
  schema = LabelSchema(intensity=False, schemes=(_MOODS,))
  found = Annotations(schema, {}).arrays([0], [record(None, "joy")], 1)
  assert found.keys() == {"example", "emotion_moods", "emotion_moods_weight"}
