"""A recording becomes rows, by a transcript or by voice activity."""

import json

import numpy as np
import pytest

from feature_export import utterances
from feature_export.errors import MediaError
from feature_export.segmentation import recogniser, recordings, speech
from feature_export.segmentation.cues import Cue

_SRT = (
  "1\n00:00:00,000 --> 00:00:00,500\nI never\n\n"
  "2\n00:00:00,600 --> 00:00:01,000\nsaid so.\n\n"
  "3\n00:00:00,900 --> 00:00:01,500\nOh?\n\n"
  "4\n00:00:09,000 --> 00:00:09,500\nToo late.\n\n"
  "5\n00:00:01,000 --> 00:00:01,200\n\n"
)


@pytest.fixture
def media(tmp_path, write_video):
  """Two seconds of pictures and a tone."""
  return write_video(
    tmp_path / "my talk.mp4", [9 * n for n in range(20)], tone=1
  )


@pytest.fixture
def cut(tmp_path):
  """Runs the command; its status and rows."""

  def run(media, *flags: str, words: str = "") -> tuple[int, list[dict]]:
    out = tmp_path / "clips.jsonl"
    if words:
      (tmp_path / "talk.srt").write_text(words)
      flags += ("--transcript", str(tmp_path / "talk.srt"))
    status = utterances.main(["--media", str(media), "--out", str(out), *flags])
    lines = out.read_text().splitlines() if out.exists() else []
    return status, [json.loads(line) for line in lines]

  return run


@pytest.fixture
def spoken(monkeypatch) -> list:
  """What voice activity finds instead of what the network would."""
  found = [Cue(0.2, 1.0), Cue(1.2, 1.8)]
  monkeypatch.setattr(speech, "find_speech", lambda path, seconds: found)
  return found


def test_cues_become_turns_of_a_dialogue(cut, media, capsys):
  status, rows = cut(media, "--corpus=meld", words=_SRT)
  assert status == 0
  of_all = {"audio": str(media), "video": str(media), "dialogue": "my talk"}
  of_all["corpus"] = "meld"
  assert rows == [
    {"id": "my talk_1", "text": "I never said so.", "start": 0.0, "end": 1.0}
    | {"turn": 1, **of_all},
    {"id": "my talk_2", "text": "Oh?", "start": 0.9, "end": 1.5}
    | {"turn": 2, **of_all},
    {"id": "my talk_3", "text": "Too late.", "start": 9.0, "end": 9.5}
    | {"turn": 3, **of_all},
  ]
  assert capsys.readouterr().err.endswith(
    "talk.srt: 3 utterances of 4 cues, 1 left out without words, 1 after the "
    "end of the recording\n"
  )


def test_speech_without_words(cut, media, spoken, capsys):
  status, rows = cut(media)
  assert status == 0
  assert [(row["start"], row["end"], row["text"]) for row in rows] == [
    (0.2, 1.0, ""),
    (1.2, 1.8, ""),
  ]
  assert "speaker" not in rows[0]
  assert "2 utterances by voice activity, without words" in (
    capsys.readouterr().err
  )


def test_a_model_gives_each_utterance_its_words(
  cut, media, spoken, monkeypatch
):
  heard = []

  def load(name, language):
    assert (name, language) == ("faster-whisper:dir", "de")
    return lambda samples: heard.append(samples) or f"{len(samples)} samples"

  monkeypatch.setattr(recogniser, "load", load)
  spoken.append(Cue(5.0, 6.0))  # where nothing is
  _, rows = cut(media, "--asr=faster-whisper:dir", "--language=de")
  assert [row["text"] for row in rows] == ["12800 samples", "9600 samples", ""]
  # The tone as it is: 0.5 at its crest, 3 dB less on each of two channels. AAC
  # keeps its power to a few percent.
  for samples in heard:
    assert np.std(samples) == pytest.approx(0.25, rel=0.05)


def test_a_transcript_goes_with_media_of_sound_or_pictures_alone(
  cut, tmp_path, write_tone, write_video
):
  for path in (
    write_tone(tmp_path / "a.wav", seconds=2),
    write_video(tmp_path / "b.mp4", [9] * 20),
  ):
    status, rows = cut(path, words=_SRT)
    assert (status, len(rows)) == (0, 3)


def test_length_is_that_of_the_longest_track(media):
  found = recordings.probe(media)
  # AAC has frames of 64 ms.
  assert found.seconds == pytest.approx(2.0, abs=0.13)
  assert found.has_sound


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("none.mp4", "--media: expected a file, found none at"),
    ("text.mp4", "found a file that FFmpeg cannot open"),
    ("silent.mp4", "expected a sound track to find speech in, found no_track"),
    ("tone.wav", "tone.wav: expected speech, found none. Give --transcript."),
  ],
)
def test_media_in_which_no_speech_can_be_found(
  cut, tmp_path, write_tone, write_video, monkeypatch, capsys, name, message
):
  def find(path, seconds):
    if path.name == "silent.mp4":
      raise MediaError("no_track", "no sound track")
    return []

  monkeypatch.setattr(speech, "find_speech", find)
  (tmp_path / "text.mp4").write_text("so")
  write_video(tmp_path / "silent.mp4", [9] * 5)
  write_tone(tmp_path / "tone.wav")
  status, rows = cut(tmp_path / name)
  error = capsys.readouterr().err
  assert (status, rows, error.count("error:")) == (2, [], 1)
  assert message in error


def test_the_transcript_of_another_recording_is_refused(cut, media, capsys):
  late = "1\n01:00:00,000 --> 01:00:01,000\nSo.\n"
  assert cut(media, words=late)[0] == 2
  assert "1 that all begin later. Is it another recording's?" in (
    capsys.readouterr().err
  )


def test_one_source_of_words_is_enough(cut, media, capsys):
  assert cut(media, "--asr=faster-whisper:x", words=_SRT)[0] == 2
  assert "one of --transcript and --asr" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["media", "transcript", "out"])
def test_addresses_of_buckets_are_refused(cut, media, capsys, flag):
  assert cut(media, f"--{flag}=gs://bucket/talk.srt")[0] == 2
  assert "expected a path on this machine" in capsys.readouterr().err
