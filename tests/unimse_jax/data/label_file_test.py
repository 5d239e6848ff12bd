"""A label is read only if its slots can hold it, whatever its hash."""

import hashlib
import json
import pathlib
import re
import shutil
from collections.abc import Callable

import pytest

from unimse_jax.data import mixture
from unimse_jax.errors import InputError

_NAMES = ("films", "friends")
_LABELS = "films_friends.jsonl"


@pytest.fixture
def copied(corpora, tmp_path) -> pathlib.Path:
  """A copy of all data that a test may damage."""
  return pathlib.Path(shutil.copytree(corpora, tmp_path / "data"))


@pytest.fixture
def rewrite(copied) -> Callable[..., str]:
  """Rewrites the lines of the labels with a hash that fits; their fault."""

  def run(change: Callable[[list[dict]], list]) -> str:
    path = copied / _LABELS
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = change(rows)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    file = path.with_suffix(".meta.json")
    meta = json.loads(file.read_text())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file.write_text(json.dumps({**meta, "labels_sha256": digest}))
    with pytest.raises(InputError) as caught:
      mixture.load(str(copied), _NAMES, str(path))
    assert str(path) in str(caught.value)
    return str(caught.value)

  return run


def first(rows: list[dict], **changes) -> list[dict]:
  return [{**rows[0], **changes}, *rows[1:]]


_DONOR = {"donor": "films/train/train0", "similarity": float("nan")}
# (changes of the first row, the fault); it is films/train/train13, -1.2, anger.
_FAULTS = [
  ({"polarity": "meh"}, "polarity 'meh', expected one of negative, neutral"),
  ({"polarity": True}, "polarity: .*found True"),
  ({"polarity": None}, "polarity: .*found None"),
  ({"polarity": "positive"}, "polarity 'positive' against intensity -1.2"),
  ({"polarity": "neutral"}, "polarity 'neutral' against intensity -1.2"),
  ({"intensity": 0.0}, "polarity 'negative' against intensity 0.0"),
  ({"intensity": float("nan")}, "intensity nan, expected a number from -3"),
  ({"intensity": float("-inf")}, "intensity -inf, expected a number"),
  ({"intensity": 99}, "intensity 99, expected a number from -3 to 3"),
  ({"intensity": True}, "intensity: .*found True"),
  ({"intensity": "-1.2"}, "intensity: .*found '-1.2'"),
  ({"emotions": {"moods": "rage"}}, "moods 'rage', expected one of joy, ang"),
  ({"emotions": {"meld": "joy"}}, "an emotion slot 'meld', expected moods"),
  ({"emotions": {"polarity": "x"}}, "an emotion slot 'polarity'"),
  ({"emotions": None}, "emotions: .*found None"),
  ({"completed": {"meld": {**_DONOR, "similarity": 1}}}, "completed slot 'me"),
  ({"completed": {"moods": _DONOR}}, "similarity nan of the donor of moods"),
  ({"completed": {"moods": None}}, "completed.moods: .*found None"),
  ({"id": "train99"}, "no such record in the datasets"),
  ({"corpus": "mosi"}, "no such record in the datasets"),
  ({"split": "dev"}, "no such record in the datasets"),
]


@pytest.mark.parametrize(("changes", "fault"), _FAULTS)
def test_a_label_that_its_slots_cannot_hold_is_refused(rewrite, changes, fault):
  message = rewrite(lambda rows: first(rows, **changes))
  lines = message.split("\n")
  assert "has 1 fault(s)" in lines[0]
  assert lines[1].startswith("  line 1")
  assert re.search(fault, lines[1])


@pytest.mark.parametrize(
  ("line", "fault"),
  [
    ("[" * 10**5, "nested too deeply"),
    ("[]", "at the top: "),
    ('{"id": "train13"', "Expecting"),
    ("{}", "id: field required"),
    ('{"id": "a", "id": "b"}', "the key 'id' stands twice"),
    ('{"intensity": ' + "9" * 5000 + "}", "a number of 5000 digits"),
  ],
)
def test_a_line_that_is_no_label_is_refused(rewrite, line, fault):
  message = rewrite(lambda rows: [rows[0], line, *rows[1:]])
  assert re.search(f"\n  line 2: .*{fault}", message)


def test_a_label_that_stands_twice_is_refused(rewrite):
  message = rewrite(lambda rows: [*rows, rows[0]])
  assert "has 1 fault(s)" in message
  key = r"films/train/train13"
  assert re.search(rf"line 65 \({key}\): .* has a label already", message)


def test_all_faults_are_counted_and_ten_are_shown(rewrite):
  message = rewrite(lambda rows: [{**each, "polarity": "x"} for each in rows])
  assert "has 64 fault(s)" in message
  assert message.count("polarity 'x'") == 10


@pytest.mark.parametrize(
  ("key", "value", "fault"),
  [
    ("slots", None, "slots: "),
    ("slots", {"intensity": True}, "slots.emotions: field required"),
    ("slots", {"intensity": 1, "emotions": {}}, "slots.intensity: .*found 1"),
    (
      "slots",
      {"intensity": True, "emotions": {"moods": {"joy": "good"}}},
      "slots.emotions.moods.joy: .*found 'good'",
    ),
    ("datasets", {"films": {}}, "datasets.films.metadata_sha256: field requ"),
    ("datasets", [], "datasets: "),
    ("dropped", {"own_class": 3}, "dropped.own_class: .*found 3"),
    ("donors", None, "donors: "),
  ],
)
def test_a_meta_file_of_another_form_names_the_place(copied, key, value, fault):
  file = copied / "films_friends.meta.json"
  file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
  with pytest.raises(InputError, match=f"Universal labels: .*{fault}"):
    mixture.load(str(copied), _NAMES, str(copied / _LABELS))
