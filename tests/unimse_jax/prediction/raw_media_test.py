"""Media files become frames in one process of the exporter."""

import json
import pathlib
import re
import subprocess
import textwrap

import numpy as np
import pytest

from feature_export.corpora.utterance import Media
from feature_export.features.audio import extract_audio
from feature_export.features.findings import Inspection, default_policies
from feature_export.features.settings import AudioSettings
from unimse_jax.errors import InputError
from unimse_jax.prediction import (
  Clip,
  Predictor,
  corpus,
  exporter_process,
  raw_media,
)
from unimse_jax.prediction.raw_media import Exporter

_ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> pathlib.Path:
  """The working directory, with a voice, a clip and a voice that is none."""
  import cv2
  import soundfile

  rng = np.random.default_rng(0)
  soundfile.write(tmp_path / "a.wav", rng.uniform(-0.5, 0.5, 32000), 16000)
  size = (64, 64)
  code = cv2.VideoWriter_fourcc(*"mp4v")
  writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), code, 25, size)
  for _ in range(25):
    writer.write(rng.integers(0, 255, (*size, 3)).astype(np.uint8))
  writer.release()
  (tmp_path / "broken.wav").write_text("no sound")
  monkeypatch.chdir(tmp_path)
  return tmp_path


@pytest.fixture
def started(monkeypatch) -> list[subprocess.Popen]:
  """The exporter's processes."""
  processes = []

  class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
      super().__init__(*arguments, **options)
      processes.append(self)

  monkeypatch.setattr(exporter_process.subprocess, "Popen", Popen)
  return processes


def exported_audio(path: pathlib.Path, start: float, end: float) -> np.ndarray:
  """What the exporter makes of it for a corpus."""
  audio = AudioSettings(max_seconds=1.0)
  inspection = Inspection(default_policies("audio"))
  return extract_audio(Media(path, start, end), audio, inspection)


def test_files_of_a_list_are_extracted_by_one_process(
  predictor, folder, started
):
  given = [
    Clip(text="so", audio="a.wav", video=folder / "a.mp4"),
    Clip(text="words alone"),
    Clip(media="a.wav", start=np.float32(0.5), end=1),
    Clip(text="lost", audio="gone.wav"),
    Clip(text="broken", audio="broken.wav"),
    Clip(text="own frames", audio=np.zeros((3, 64))),
    Clip(text="backwards", audio="a.wav", start=2, end=1),
    Clip(text="wrong times", audio="a.wav", start="1"),
    Clip(text="so", audio="a.wav", start=0.25, end=1.0),
    Clip(text="so", audio=exported_audio(folder / "a.wav", 0.25, 1.0)),
    None,
  ]
  answers = predictor.predict(given)
  (process,) = started
  assert process.returncode == 0
  both, words, voice, lost, broken, frames = answers[:6]
  backwards, times, named, array, none = answers[6:]
  assert both.notes == (
    "audio cut: too_long: cut at 1 s",
    "audio: 32 frames are averaged to 4",
  )
  assert (both.missing, both.error) == ((), None)
  assert (words.notes, words.missing) == ((), ("audio", "video"))
  no_pictures, *others = voice.notes
  assert no_pictures.startswith("video absent: no_track")
  assert others == ["text: empty", "audio: 16 frames are averaged to 4"]
  assert voice.missing == ("video",)
  assert lost.error == f"audio: no such file: {folder / 'gone.wav'}"
  assert broken.error is None
  assert broken.notes[0].startswith("audio absent: unreadable")
  assert (frames.missing, frames.notes) == (("video",), ())
  assert backwards.error == "end (1.0) must be after start (2.0)"
  assert times.error == "start: expected seconds, found '1'"
  assert named == array
  assert named.notes == ("audio: 24 frames are averaged to 4",)
  assert none.error == "expected a Clip, found None"


def test_one_process_stays_and_is_replaced_when_it_dies(
  predictor, folder, started
):
  clips = [Clip(text="so", audio="a.wav", video="a.mp4")]
  with predictor.exporter.process:
    (first,) = predictor.predict(clips)
    assert predictor.predict(clips) == [first]
    assert len(started) == 1 and started[0].poll() is None
    started[0].kill()
    assert predictor.predict(clips) == [first]
    assert len(started) == 2 and started[1].poll() is None
  assert [each.returncode for each in started] == [-9, 0]


def test_what_the_exporter_refuses_is_told_and_it_stays(
  predictor, folder, started
):
  (folder / "latin.jsonl").write_bytes(b"\xff")
  with predictor.exporter.process:
    with (
      pytest.raises(InputError, match="UTF-8"),
      predictor.exporter.extract(folder / "latin.jsonl", folder),
    ):
      pass
    (answer,) = predictor.predict([Clip(text="so", audio="a.wav")])
  assert answer.error is None
  assert [each.returncode for each in started] == [0]


def test_a_stream_of_clips_is_extracted_by_the_read(predictor, monkeypatch):
  reads = []

  def extract(exporter, clips):
    reads.append(len(clips))
    return [InputError("lost")] * len(clips)

  monkeypatch.setattr(Exporter, "extract_files", extract)
  clips = (Clip(text="so", media="a.wav") for _ in range(65))
  answers = list(predictor.predict_iter(clips))
  assert [each.error for each in answers] == ["lost"] * 65
  assert reads == [64, 1]  # eight batches of eight


def test_rows_of_an_input_file_come_back_in_order(predictor, folder):
  rows = [
    {"text": "one", "audio": "a.wav", "dialogue": "d", "speaker": "A"},
    {"text": "lost", "audio": "none.wav"},
    {"text": "two", "dialogue": "d", "corpus": "friends"},
    {"text": "three", "corpus": "MELD"},
    {"text": "\u200b\ufeff"},
  ]
  manifest = folder / "clips.jsonl"
  manifest.write_text("\n".join([*map(json.dumps, rows), "[" * 10**5]))
  output = folder / "predictions.jsonl"
  count = corpus.predict_media(predictor, str(manifest), str(output))
  found = [json.loads(line) for line in output.read_text().splitlines()]
  assert count == corpus.Count(6, 4)
  assert [row["id"] for row in found] == ["1", "2", "3", "4", "5", "6"]
  one, lost, two, unknown, empty, brackets = found
  assert one["notes"] == [
    "audio cut: too_long: cut at 1 s",
    "speaker: not read; the run reads names where corpus is one of meld",
    "audio: 32 frames are averaged to 4",
  ]
  assert one["missing"] == ["video"]
  assert "no such file" in lost["error"]
  assert two["error"] is None
  assert "(films, friends) or none, found 'MELD'" in unknown["error"]
  assert empty["error"] == "expected text, audio or video, found none of them"
  assert "line 6: not JSON: lists or objects are nested" in brackets["error"]


def test_rows_become_clips_and_lost_features_errors(tmp_path):
  words = {"text": "so", "speaker": "A", "corpus": "friends"}
  words |= {"before": ["b"], "after": []}
  words |= {"before_speakers": ["B"], "after_speakers": []}
  row = {**words, "error": None, "notes": ["odd"], "features": "0.npz"}
  audio, video = np.ones((2, 64), np.float16), np.zeros((0, 1280), np.float16)
  np.savez(tmp_path / "0.npz", audio=audio, video=video)
  (tmp_path / "1.npz").write_bytes(b"PK")
  rows = [
    row,
    {**row, "features": "1.npz"},
    {**row, "features": "2.npz"},
    {"error": "line 4: no"},
  ]
  clip, *errors = raw_media.Extraction(tmp_path, rows).clips()
  assert (clip.text, clip.speaker, clip.corpus) == ("so", "A", "friends")
  assert clip.turns_before == [("b", "B")]
  assert (clip.turns_after, clip.notes) == ([], ("odd",))
  np.testing.assert_array_equal(clip.audio, audio)
  assert clip.video.shape == (0, 1280)
  assert all(isinstance(each, InputError) for each in errors)
  texts = [str(each) for each in errors]
  assert texts[0].startswith(lost := "its features cannot be read: ")
  assert texts[1].startswith(lost)
  assert texts[2] == "line 4: no"


def test_settings_that_the_exporter_cannot_meet_are_refused(straight, folder):
  predictor = Predictor.from_workdir(straight)
  manifest = folder / "clips.jsonl"
  manifest.write_text('{"text": "so"}')
  # The tiny corpora name a backbone that no exporter has.
  with pytest.raises(InputError, match="exporter ended with status 2"):
    corpus.predict_media(predictor, str(manifest), str(folder / "out.jsonl"))
  assert not (folder / "out.jsonl").exists()


def test_without_the_exporter_the_command_that_installs_it_is_named(
  monkeypatch, predictor
):
  monkeypatch.setattr(raw_media, "_EXPORTER", "no_such_exporter")
  with pytest.raises(InputError, match=r"\[export\]"):
    predictor.predict([Clip(text="a"), Clip(text="a", audio="a.wav")])
  assert predictor.predict([Clip(text="a")])[0].error is None


def test_an_old_run_says_why_raw_media_cannot_be_read(tmp_path):
  with (
    pytest.raises(InputError, match="--features"),
    Exporter({}).extract(tmp_path / "a", tmp_path),
  ):
    pass


@pytest.mark.parametrize("page", ["README.md", "docs/prediction.md"])
def test_snippets_of_the_documents_run_as_they_stand(
  page, predictor, folder, monkeypatch
):
  text = (_ROOT / page).read_text(encoding="utf-8")
  blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
  blocks += map(textwrap.dedent, re.findall(r"(?:^(?: {4}.*)?\n)+", text, re.M))
  (snippet,) = [each for each in blocks if "Predictor.from_workdir" in each]
  opened = []
  monkeypatch.setattr(
    Predictor,
    "from_workdir",
    lambda workdir, **named: opened.append(workdir) or predictor,
  )
  exec(compile(snippet, page, "exec"), {})
  assert opened == ["runs/demo"]
