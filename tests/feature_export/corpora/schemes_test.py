"""Tests of the built-in schemes and of schemes from JSON."""

import json

import pytest

from feature_export.corpora.schemes import (
  IEMOCAP,
  IEMOCAP_AGREED,
  MELD,
  POLARITIES,
  RAVDESS,
  EmotionScheme,
  load_scheme,
  task_scheme,
)
from feature_export.errors import InputError


def test_built_in_schemes_have_the_published_classes():
  assert len(MELD.classes) == 7
  assert len(IEMOCAP.classes) == 6
  assert len(RAVDESS.classes) == 8
  assert [word for word in MELD.classes if not MELD.polarity[word]] == [
    "surprise"
  ]
  assert IEMOCAP.polarity["excited"] == "positive"
  assert IEMOCAP.polarity["frustrated"] == "negative"
  assert set(RAVDESS.polarity.values()) == set(POLARITIES)
  assert load_scheme("iemocap") is IEMOCAP


def test_scheme_from_json_keeps_order_and_polarity(tmp_path):
  path = tmp_path / "mine.json"
  classes = {"bored": "negative", "awed": ""}
  path.write_text(json.dumps({"name": "mine", "classes": classes}))
  scheme = load_scheme(path)
  assert scheme.name == "mine"
  assert scheme.classes == ("bored", "awed")
  assert scheme.polarity == classes


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("[]", "expected an object"),
    ("{", "expected a JSON file"),
    ('{"name": "x"}', '"name" and "classes"'),
    ('{"name": "x", "classes": {}}', "must be an object"),
    ('{"name": "x", "classes": {"a, b": ""}}', "without commas"),
    ('{"name": "x", "classes": {"a": "good"}}', "polarity 'good'"),
    ('{"name": "a b", "classes": {"a": ""}}', "one word"),
    ('{"name": "Intensity", "classes": {"a": ""}}', "another slot"),
    ('{"name": "x", "classes": {"Joy": "", "joy": ""}}', "capitals alone"),
    ('{"name": "x", "classes": {"joy": "", "joy": ""}}', "'joy' stands twice"),
    ('{"name": "x", "classes": {"Unknown": ""}}', "no emotion at all"),
    ('{"name": "x", "classes": {"a\\nb": ""}}', "on one line"),
    ('{"name": "x", "classes": {"a": []}}', r"polarity \[\]"),
  ],
)
def test_scheme_faults_are_named(tmp_path, content, message):
  path = tmp_path / "scheme.json"
  path.write_text(content)
  with pytest.raises(InputError, match=message):
    load_scheme(path)


def test_the_task_of_ten_agreed_classes_has_six():
  assert task_scheme(IEMOCAP_AGREED) == IEMOCAP
  assert task_scheme(MELD) is MELD
  # Somebody's own scheme of that name is no extension of the task's.
  own = EmotionScheme("iemocap", ("joy",), {"joy": "positive"})
  assert task_scheme(own) is own


def test_unknown_scheme_names_the_known_ones():
  with pytest.raises(InputError, match="cremad, iemocap, meld, ravdess"):
    load_scheme("mled")
