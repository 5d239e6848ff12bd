"""Tests of the manifest importer."""

import pytest

from feature_export.corpora import manifest
from feature_export.corpora.schemes import MELD
from feature_export.corpora.utterance import Media
from feature_export.errors import InputError

ROW = {"id": "a", "split": "train", "text": "hello"}


def test_manifest_reads_every_key(tmp_path, write_manifest):
  (tmp_path / "clip.mp4").touch()
  row = {
    **ROW,
    "dialogue": "d",
    "turn": 3,
    "speaker": "Ann",
    "audio": "clip.mp4",
    "video": "clip.mp4",
    "start": 1,
    "end": 2.5,
    "polarity": "positive",
    "intensity": 1,
    "emotion": "joy",
  }
  corpus = manifest.load(write_manifest(tmp_path, [row]), "mine", MELD)
  (utterance,) = corpus.utterances
  assert corpus.name == "mine"
  assert corpus.scheme is MELD
  assert utterance.audio == Media(tmp_path / "clip.mp4", 1, 2.5)
  assert utterance.video == utterance.audio
  assert (utterance.dialogue, utterance.turn) == ("d", 3)
  assert (utterance.speaker, utterance.emotion) == ("Ann", "joy")
  assert utterance.intensity == 1.0
  assert utterance.labelled


def test_manifest_defaults_and_scheme_beside_it(tmp_path, write_manifest):
  scheme = {"name": "mine", "classes": {"calm": "neutral"}}
  rows = [{**ROW, "audio": None, "video": None, "intensity": None}]
  folder = write_manifest(tmp_path / "my_set", rows, scheme)
  corpus = manifest.load(folder / "manifest.jsonl", None, None)
  assert corpus.name == "my_set"
  assert corpus.scheme.classes == ("calm",)
  assert corpus.utterances[0].audio is None
  assert not corpus.utterances[0].labelled


@pytest.mark.parametrize(
  ("row", "message"),
  [
    ({**ROW, "emotoin": "joy"}, "line 2: unknown key 'emotoin'"),
    ({**ROW, "turn": True}, "line 2: turn must be a whole number"),
    ({**ROW, "turn": 1.5}, "line 2: turn must be a whole number"),
    ({**ROW, "turn": 2**70}, "line 2: turn must have at most 32 bits"),
    ({**ROW, "intensity": 10**400}, "line 2: intensity must have at most 32"),
    ({**ROW, "intensity": "1.0"}, "line 2: intensity must be a number"),
    ({**ROW, "text": None}, "line 2: the key 'text' is missing"),
    ({**ROW, "text": "\ud800"}, "line 2: text holds half a surrogate"),
    ({**ROW, "audio": "no.wav"}, "line 2: audio: no such file"),
    ({**ROW, "start": -1.0}, "line 2: start must be at least 0"),
    ({**ROW, "start": float("nan")}, "line 2: start must be at least 0"),
    ({**ROW, "start": 2.0, "end": 2.0}, "line 2: end .2.0. must be after"),
    (["id"], "line 2: expected an object"),
  ],
)
def test_manifest_names_line_and_fault(tmp_path, write_manifest, row, message):
  folder = write_manifest(tmp_path, [{**ROW, "id": "first"}, row])
  with pytest.raises(InputError, match=message):
    manifest.load(folder, None, None)


def test_manifest_collects_all_faulty_lines(tmp_path):
  path = tmp_path / "manifest.jsonl"
  deep, long = "[" * 100_000, '{"turn": ' + "9" * 5000 + "}"
  path.write_text(f'{{"id": 1}}\n\nnot json\n{deep}\n{long}\n')
  with pytest.raises(InputError) as caught:
    manifest.load(path, None, None)
  message = str(caught.value)
  assert "line 1: id must be a string, found 1" in message
  assert "line 1: the key 'split' is missing" in message
  assert "line 3: not JSON" in message
  assert "line 4: not JSON: lists or objects are nested too deeply" in message
  assert "line 5: not JSON" in message


def _said(*dialogues_and_turns: tuple[str, int | None]) -> list[dict]:
  """Rows of one split, named by their place."""
  return [
    {**ROW, "id": f"u{place}", "dialogue": dialogue, "turn": turn}
    for place, (dialogue, turn) in enumerate(dialogues_and_turns)
  ]


def test_a_dialogue_without_turns_has_them_in_the_order_of_its_lines(
  tmp_path, write_manifest
):
  rows = _said(("a", None), ("b", 7), ("a", None), ("b", 3), ("a", None))
  rows.append({**ROW, "id": "alone"})
  corpus = manifest.load(write_manifest(tmp_path, rows), "mine", None)
  found = [(each.dialogue, each.turn) for each in corpus.utterances]
  assert found == [("a", 0), ("b", 7), ("a", 1), ("b", 3), ("a", 2), ("", 0)]


def test_turns_that_give_no_order_are_refused(tmp_path, write_manifest):
  rows = _said(("a", 0), ("a", None), ("b", 2), ("b", 2), ("b", 2), ("c", 0))
  # The same turn in two dialogues, or outside of any, is none of these.
  rows += [{**ROW, "id": f"alone{place}", "turn": 0} for place in range(2)]
  with pytest.raises(InputError) as caught:
    manifest.load(write_manifest(tmp_path, rows), None, None)
  message = str(caught.value)
  assert "has faults (2):" in message
  assert (
    "line 2: expected a turn in every row of dialogue 'a', or in none for the "
    "order of the lines; found 1 with one and 1 without"
  ) in message
  assert (
    "line 4: expected another turn than in each other row of dialogue 'b'; "
    "found turn 2 here and in line 3"
  ) in message
  assert "Correct these lines and run the command again." in message


def test_manifest_missing_empty_or_not_text(tmp_path):
  with pytest.raises(InputError, match="No manifest at"):
    manifest.load(tmp_path, None, None)
  path = tmp_path / "manifest.jsonl"
  path.write_text("\n")
  with pytest.raises(InputError, match="holds no rows"):
    manifest.load(tmp_path, None, None)
  path.write_bytes(b'{"id": "\xff"}')
  with pytest.raises(InputError, match="as UTF-8 text"):
    manifest.load(tmp_path, None, None)


@pytest.mark.parametrize(
  ("content", "message"),
  [
    (b'[\n {"id": "a"},\n {"id": "b"}\n]', "found a JSON array"),
    (b"\xef\xbb\xbfid,split,text\na,train,so\n", "found a CSV table"),
    ('{"id": "a"}'.encode("utf-16"), "found text in UTF-16"),
  ],
)
def test_a_file_of_another_kind_is_named(tmp_path, content, message):
  path = tmp_path / "manifest.jsonl"
  path.write_bytes(content)
  with pytest.raises(InputError, match=message):
    manifest.load(path, None, None)


def test_a_key_twice_is_refused(tmp_path):
  path = tmp_path / "manifest.jsonl"
  path.write_text('{"id": "a", "split": "train", "text": "so", "text": "no"}')
  with pytest.raises(InputError, match="line 1: not JSON: the key 'text'"):
    manifest.load(path, None, None)


def test_an_emotion_against_the_other_labels_is_doubted(
  tmp_path, write_manifest
):
  rows = [
    {**ROW, "emotion": "joy", "intensity": -2},
    {**ROW, "id": "b", "emotion": "joy", "polarity": "negative"},
    {**ROW, "id": "c", "emotion": "joy", "intensity": 1},
    {**ROW, "id": "d", "emotion": "surprise", "intensity": 1},
  ]
  corpus = manifest.load(write_manifest(tmp_path, rows), None, MELD)
  assert [(each.id, each.detail) for each in corpus.remarks] == [
    ("a", "joy and -2"),
    ("b", "joy and negative"),
  ]
