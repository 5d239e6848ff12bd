"""Every row of a manifest of clips is answered, whatever its media are."""

import dataclasses
import json

import numpy as np
import pytest

from feature_export import clips
from feature_export.corpora.utterance import Media
from feature_export.extraction import prediction_clips
from feature_export.extraction.store import FeatureStore
from feature_export.features.audio import extract_audio
from feature_export.features.efficientnet import find_weights
from feature_export.features.faces import describe_faces
from feature_export.features.findings import Inspection, default_policies
from feature_export.features.settings import (
  AudioSettings,
  SpeakerSettings,
  VideoSettings,
)
from feature_export.files import hash_file


@pytest.fixture
def settings() -> dict:
  digest = hash_file(find_weights("efficientnet_lite0", None))
  video = VideoSettings("efficientnet_lite0", digest, image_size=32, frames=2)
  audio = AudioSettings(max_seconds=2.0)
  return {
    "audio": dataclasses.asdict(audio),
    "video": dataclasses.asdict(video),
  }


@pytest.fixture
def extract(tmp_path, settings):
  """Runs the command on lines; gives its status and rows."""

  def run(*rows, **changes) -> tuple[int, list[dict]]:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (tmp_path / "clips.jsonl").write_text("\n".join(lines))
    stored = {**settings, **changes}
    (tmp_path / "settings.json").write_text(json.dumps(stored))
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    status = clips.main(
      ["--manifest", str(tmp_path / "clips.jsonl"), "--out", str(out)]
      + ["--settings", str(tmp_path / "settings.json")]
    )
    if status:
      assert not (out / prediction_clips.ROWS_FILE).exists()
      return status, []
    written = (out / prediction_clips.ROWS_FILE).read_text().splitlines()
    return status, [json.loads(line) for line in written[1:]]

  return run


def frames(tmp_path, row: dict) -> dict:
  with np.load(tmp_path / "out" / row["features"]) as arrays:
    return {name: arrays[name] for name in arrays.files}


def test_features_are_those_of_the_export(
  extract, tmp_path, write_tone, write_video, settings
):
  path = write_tone(tmp_path / "a.wav", seconds=1.0)
  write_video(tmp_path / "a.mp4", [60, 90, 120])
  row = {"text": "so", "audio": "a.wav", "video": "a.mp4"}
  status, (found,) = extract(row)
  assert (status, found["error"], found["notes"]) == (0, None, [])
  arrays = frames(tmp_path, found)
  expected = extract_audio(
    Media(path),
    AudioSettings(max_seconds=2.0),
    Inspection(default_policies("audio")),
  )
  np.testing.assert_array_equal(arrays["audio"], expected)
  assert arrays["video"].shape == (2, 1280)


def test_media_without_a_voice_or_a_face_are_absent_with_the_reason(
  extract, tmp_path, write_video
):
  import soundfile

  soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 16000)
  write_video(tmp_path / "black.mp4", [0, 0, 0])
  (tmp_path / "broken.wav").write_text("no sound")
  _, rows = extract(
    {"text": "a", "audio": "silence.wav"},
    {"text": "b", "video": "black.mp4"},
    {"text": "c", "audio": "broken.wav"},
  )
  for row, reason in zip(rows, ("silence", "black", "unreadable"), strict=True):
    assert reason in " ".join(row["notes"])
    assert row["error"] is None
    assert not any(map(len, frames(tmp_path, row).values()))


def test_a_long_voice_is_cut_and_ten_minutes_are_no_utterance(
  extract, tmp_path, write_tone
):
  write_tone(tmp_path / "long.wav", seconds=5)
  write_tone(tmp_path / "far.wav", seconds=600)
  _, (cut, absent) = extract(
    {"text": "a", "audio": "long.wav"}, {"text": "a", "audio": "far.wav"}
  )
  assert cut["notes"] == ["audio cut: too_long: cut at 2 s"]
  assert len(frames(tmp_path, cut)["audio"]) == 1 + 32000 // 512
  assert absent["notes"] == ["audio absent: far_too_long: 600 s"]
  assert not len(frames(tmp_path, absent)["audio"])


def test_rows_that_cannot_be_read_have_an_error_and_the_rest_is_answered(
  extract,
):
  status, rows = extract(
    {"id": "same", "text": "one"},
    "not json",
    {"id": "same", "text": "two"},
    {"id": "lost", "text": "a", "video": "none.mp4"},
    {"id": "typo", "text": "a", "txt": "b"},
    {"id": "none"},
    {"text": "a", "before": ["x", 3]},
  )
  assert status == 0
  assert [row["id"] for row in rows] == (
    ["same", "2", "same", "lost", "typo", "none", "7"]
  )
  errors = ["", "not JSON", "", "no such file", "unknown key 'txt'"]
  errors += ["'text' is missing", "before must be a list of strings"]
  for row, error in zip(rows, errors, strict=True):
    assert error in (row["error"] or "")
    assert bool(row["error"]) == bool(error)
  assert [row["text"] for row in rows if not row["error"]] == ["one", "two"]


@pytest.mark.parametrize(
  ("line", "error"),
  [
    ("[" * 10**5, "not JSON: lists or objects are nested too deeply"),
    ('{"text": ' + "[" * 900 + "]" * 900 + "}", "text must be a string, found"),
    (
      '{"text": "a", "before": ' + "[" * 900 + "]" * 900 + "}",
      "before must be a list of strings",
    ),
    ('{"text": "a", "turn": ' + "9" * 5000 + "}", "not JSON: a number of 5000"),
    ('{"text": "a', "not JSON: Unterminated"),
    (
      '{"text": "a", "audio": "' + "a" * 5000 + '"}',
      "audio: File name too",
    ),
    ('{"text": "a", "audio": "a\\u0000b"}', "audio: no such file"),
    ('{"text": "a", "text": "b"}', "not JSON: the key 'text' stands"),
  ],
)
def test_one_bad_line_is_an_error_of_its_row(extract, line, error):
  status, rows = extract({"text": "one"}, line, {"text": "two"})
  assert status == 0
  assert [row["error"] is None for row in rows] == [True, False, True]
  assert rows[1]["error"].startswith(f"line 2: {error}")
  assert len(json.dumps(rows[1])) < 250


def test_a_file_that_changes_while_it_is_read_is_an_error_of_its_row(
  extract, write_tone, tmp_path, monkeypatch
):
  for name in ("a", "moving", "b"):
    write_tone(tmp_path / f"{name}.wav", seconds=0.5)
  load = FeatureStore.load

  def load_unless_changed(store, modality, media):
    # The name of its features holds the time of the file's last change.
    changed = media.path.name == "moving.wav"
    return None if changed else load(store, modality, media)

  monkeypatch.setattr(FeatureStore, "load", load_unless_changed)
  clips_given = [
    {"text": name, "audio": f"{name}.wav"} for name in ("a", "moving", "b")
  ]
  status, (first, moving, last) = extract(*clips_given)
  assert status == 0
  assert moving["error"] == "a media file changed while it was read; try again"
  for row in (first, last):
    assert row["error"] is None
    assert len(frames(tmp_path, row)["audio"]) == 1 + 8000 // 512


def test_context_is_the_dialogues_or_the_rows_own(extract):
  turn = {"dialogue": "d", "split": "train", "polarity": "positive"}
  _, rows = extract(
    {"text": "one", "turn": 1, "speaker": "A", **turn},
    {"text": "three", "turn": 3, **turn},
    {"text": "two", "turn": 2, "after": ["own"], **turn},
  )
  assert rows[0]["after"] == ["two", "three"]
  assert (rows[1]["before"], rows[1]["before_speakers"]) == (
    ["two", "one"],
    ["", "A"],
  )
  assert (rows[2]["before"], rows[2]["after"]) == ([], ["own"])


def _contexts(*rows: dict) -> list[tuple[list[str], list[str]]]:
  return [(row["before"], row["after"]) for row in rows]


def test_a_dialogue_without_turns_is_in_the_order_of_its_lines(extract):
  of = {"dialogue": "d"}
  _, (one, apart, two, three) = extract(
    {"text": "one", **of},
    {"text": "apart", "dialogue": "e"},
    {"text": "two", **of},
    {"text": "three", "split": "test", **of},
  )
  assert _contexts(one, two, three) == [
    ([], ["two", "three"]),
    (["one"], ["three"]),
    (["two", "one"], []),
  ]
  assert _contexts(apart) == [([], [])]


def test_turns_that_give_no_order_are_an_error_of_each_row(extract):
  mixed = [("one", 1), ("two", 2), ("three", None), ("four", 4)]
  equal = [("one", 0), ("two", 0), ("three", 0)]
  status, rows = extract(
    *({"text": text, "dialogue": "d", "turn": turn} for text, turn in mixed),
    *({"text": text, "dialogue": "e", "turn": turn} for text, turn in equal),
    {"text": "so", "dialogue": "f", "turn": 0},
    {"text": "alone", "turn": 0},
  )
  assert status == 0
  why = "its dialogue has no order: line"
  for line, row in enumerate(rows[:4], 1):
    assert row["error"] == (
      f"line {line}: {why} 3: expected a turn in every row of dialogue 'd', or "
      "in none for the order of the lines; found 3 with one and 1 without"
    )
  for line, row in enumerate(rows[4:7], 5):
    assert row["error"] == (
      f"line {line}: {why} 6: expected another turn than in each other row of "
      "dialogue 'e'; found turn 0 here and in line 5"
    )
  assert [row["error"] for row in rows[7:]] == [None, None]


def test_a_row_whose_media_are_lost_is_context_still(extract):
  turns = [{"dialogue": "d", "turn": turn} for turn in range(1, 6)]
  _, (one, lost, three, late, wrong) = extract(
    {"text": "one", **turns[0]},
    {"text": "two", "audio": "gone.wav", **turns[1]},
    {"text": "three", **turns[2]},
    {"text": "four", "audio": "ftp://a", "start": 2, "end": 1, **turns[3]},
    {"text": 5, **turns[4]},
  )
  assert _contexts(one, three) == [
    ([], ["two", "three", "four"]),
    (["two", "one"], ["four"]),
  ]
  assert "no such file" in lost["error"]
  assert "end (1) must be after start (2)" in late["error"]
  # Its words are not known.
  assert "text must be a string" in wrong["error"]


def test_other_weights_are_refused(extract, settings, capsys):
  video = {**settings["video"], "weights_sha256": "0" * 64}
  assert extract({"text": "a"}, video=video)[0] == 2
  assert "expected the sha256 000" in capsys.readouterr().err


def test_settings_of_another_exporter_are_refused(extract, capsys):
  assert extract({"text": "a"}, audio={"source": "covarep"})[0] == 2
  assert "--features" in capsys.readouterr().err


def test_the_choice_among_faces_is_the_runs_own(settings):
  rule = {**dataclasses.asdict(SpeakerSettings()), "lead": 0.2}
  faces = dataclasses.asdict(describe_faces("haar", None))
  stored = {**settings, "video": {**settings["video"], "faces": faces}}
  built = prediction_clips.build_settings(stored, None, None)
  assert built.video.faces.speaker is None
  assert "speaker" not in built.describe()["video"]["faces"]
  faces["speaker"] = rule
  built = prediction_clips.build_settings(stored, None, None)
  assert built.video.faces.speaker == SpeakerSettings(lead=0.2)
  assert built.describe()["video"]["faces"]["speaker"] == rule


def test_a_manifest_or_requests(tmp_path, capsys):
  settings = ["--settings", str(tmp_path / "settings.json")]
  assert clips.main(settings) == 2
  assert "expected --manifest and --out, or --serve" in capsys.readouterr().err
  assert clips.main([*settings, "--serve", "--out", str(tmp_path)]) == 2
  assert "do not go with --serve" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", [-1, 0, 1025])
def test_another_number_of_processes_is_refused(tmp_path, capsys, jobs):
  """With no process, each row had a false error: its file had changed."""
  given = ["--settings", str(tmp_path / "settings.json"), "--serve"]
  assert clips.main([*given, f"--jobs={jobs}"]) == 2
  found = f"--jobs must be in [1, 1024], found {jobs}"
  assert found in capsys.readouterr().err


def test_the_extra_that_is_not_installed_is_named(extract, monkeypatch, capsys):
  monkeypatch.setattr(prediction_clips, "_NEEDED", ("no_such_package",))
  assert extract({"text": "a"})[0] == 2
  error = capsys.readouterr().err
  assert "no_such_package" in error
  assert "[export]" in error
