"""A recording in, what is felt in each of its utterances out."""

import json
import pathlib
import re

import numpy as np
import pytest

from unimse_jax.errors import InputError
from unimse_jax.prediction import Predictor, Recording, corpus
from unimse_jax.prediction.exporter_process import ExporterProcess
from unimse_jax.prediction.raw_media import Exporter

_ROOT = pathlib.Path(__file__).parents[3]
_CUES = """WEBVTT

00:00.000 --> 00:00.400
<v Ann>a great film

00:00.400 --> 00:00.800
<v Ann>number three.

00:01.000 --> 00:01.600
<v Bob>Awful!

00:05.000 --> 00:06.000
<v Ann>Late words.
"""


@pytest.fixture(scope="module")
def talk(tmp_path_factory) -> pathlib.Path:
  """Two seconds of noise and moving pictures, and a transcript beside it."""
  import av

  folder = tmp_path_factory.mktemp("talk")
  rng = np.random.default_rng(0)
  with av.open(str(folder / "talk.mp4"), "w") as container:
    video = container.add_stream("mpeg4", rate=10)
    video.width = video.height = 64
    video.pix_fmt = "yuv420p"
    sound = container.add_stream("aac", rate=16000, layout="mono")
    for _ in range(20):
      picture = rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)
      frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
      container.mux(video.encode(frame))
    for start in range(0, 32000, 1000):
      samples = rng.uniform(-0.5, 0.5, (1, 1000)).astype(np.float32)
      frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
      frame.sample_rate, frame.pts = 16000, start
      container.mux(sound.encode(frame))
    container.mux([*video.encode(None), *sound.encode(None)])
  (folder / "talk.vtt").write_text(_CUES)
  return folder / "talk.mp4"


def test_utterances_are_answered_in_order_with_their_neighbours(
  predictor, talk, tmp_path
):
  recording = Recording(
    media=talk, transcript=talk.with_suffix(".vtt"), corpus="friends"
  )
  output = tmp_path / "out.jsonl"
  seen = []
  predict_iter = predictor.predict_iter

  def look(clips):
    return predict_iter(seen.append(clip) or clip for clip in clips)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(predictor, "predict_iter", look)
    count, answers = corpus.predict_recording(predictor, recording, str(output))
  rows = [json.loads(line) for line in output.read_text().splitlines()]
  assert count == corpus.Count(3, 0)
  assert rows == [json.loads(json.dumps(each.to_json())) for each in answers]
  assert [
    (row["id"], row["start"], row["end"], row["speaker"], row["text"])
    for row in rows
  ] == [
    ("talk_1", 0.0, 0.8, "Ann", "a great film number three."),
    ("talk_2", 1.0, 1.6, "Bob", "Awful!"),
    ("talk_3", 5.0, 6.0, "Ann", "Late words."),
  ]
  assert seen[1].turns_before == [("a great film number three.", "Ann")]
  assert seen[1].turns_after == [("Late words.", "Ann")]
  assert seen[0].corpus == "friends"
  # 0.6 s at 31.25 frames/s; two pictures, as the run reads.
  assert (len(seen[1].audio), len(seen[1].video)) == (19, 2)
  # What the recording does not hold is absent, and the words are answered.
  assert rows[0]["missing"] == rows[1]["missing"] == []
  assert rows[2]["missing"] == ["audio", "video"]
  assert rows[2]["notes"][0].startswith("audio absent: out_of_range: starts at")
  assert rows[2]["output"] and rows[2]["error"] is None
  assert sum(rows[0]["probabilities"]["polarity"].values()) == pytest.approx(1)


def test_files_are_answered_from_python_too(predictor, talk, monkeypatch):
  commands = []
  start = ExporterProcess._start

  def count(process):
    commands.append("clips")
    start(process)

  def find_speech(exporter, command, arguments):
    commands.append(command)
    # What voice activity would find.
    row = {"id": "talk_1", "text": "", "audio": str(talk), "video": str(talk)}
    row |= {"start": 0.5, "end": 1.0}
    assert "transcript" not in arguments
    return pathlib.Path(arguments["out"]).write_text(json.dumps(row) + "\n")

  monkeypatch.setattr(Exporter, "run", find_speech)
  monkeypatch.setattr(ExporterProcess, "_start", count)
  first, second = predictor.predict_files([str(talk), Recording(media=talk)])
  assert commands == ["utterances", "clips", "utterances"]
  assert first == second
  (answer,) = first
  assert (answer.start, answer.end, answer.text) == (0.5, 1.0, "")
  assert "text: empty" in answer.prediction.notes
  assert answer.prediction.error is None
  assert answer.prediction.embedding is None


def test_a_mistake_in_the_recording_is_the_exporters_message(
  predictor, tmp_path, capfd
):
  output = tmp_path / "out.jsonl"
  recording = Recording(media=tmp_path / "none.mp4")
  with pytest.raises(InputError, match="ended with status 2; its message"):
    corpus.predict_recording(predictor, recording, str(output))
  assert "--media: expected a file, found none at" in capfd.readouterr().err
  assert not output.exists()


def test_a_corpus_of_no_training_is_told_before_anything_is_cut(predictor):
  recording = Recording(media="none.mp4", corpus="MELD")
  with pytest.raises(InputError, match=r"\(films, friends\) or none, found"):
    predictor.predict_files([recording])


def test_one_source_of_words_is_enough(predictor):
  recording = Recording(
    media="a.mp4", transcript="a.srt", asr="faster-whisper:b"
  )
  with pytest.raises(InputError, match="one of transcript and asr"):
    predictor.predict_files([recording])


def test_the_snippet_of_the_page_runs_as_it_stands(
  predictor, talk, monkeypatch, capsys
):
  text = (_ROOT / "docs/media.md").read_text(encoding="utf-8")
  (snippet,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
  monkeypatch.setattr(Predictor, "from_workdir", lambda *_, **__: predictor)
  monkeypatch.chdir(talk.parent)
  exec(compile(snippet, "docs/media.md", "exec"), {})
  lines = capsys.readouterr().out.splitlines()
  assert len(lines) == 3
  assert lines[1].startswith("1.0 1.6 Bob Awful! ")
