"""Requests for clips are answered one after the other, by the same process."""

import io
import json

import numpy as np
import pytest

from feature_export.extraction import clip_service, prediction_clips, workers
from feature_export.features.efficientnet import find_weights
from feature_export.features.settings import (
  AudioSettings,
  ExtractionSettings,
  VideoSettings,
)
from feature_export.features.weights import hash_weights


@pytest.fixture
def settings() -> ExtractionSettings:
  weights = hash_weights(find_weights("efficientnet_lite0", None))
  video = VideoSettings("efficientnet_lite0", weights, image_size=32, frames=2)
  return ExtractionSettings(AudioSettings(), video, device="cpu")


@pytest.fixture
def started(monkeypatch) -> list:
  """The processes that extract."""
  made = []

  class Counted(workers._Worker):
    def __init__(self, *arguments):
      super().__init__(*arguments)
      made.append(self)

  monkeypatch.setattr(workers, "_Worker", Counted)
  return made


def test_requests_share_a_process(tmp_path, settings, started, write_tone):
  write_tone(tmp_path / "a.wav")
  write_tone(tmp_path / "b.wav", seconds=0.25)
  requests = []
  for name in ("a", "b", "bad", "a"):
    row = {"text": name, "audio": f"{name}.wav"}
    (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
    out = tmp_path / f"out_{len(requests)}"
    out.mkdir()
    request = {"manifest": tmp_path / f"{name}.jsonl", "root": tmp_path}
    requests.append({**request, "out": out})
  (tmp_path / "bad.jsonl").write_bytes(b"\xff")
  answers = io.StringIO()
  lines = [json.dumps(each, default=str) for each in requests]
  clip_service.serve(settings, 1, lines, answers)
  errors = [
    json.loads(line)["error"] for line in answers.getvalue().splitlines()
  ]
  assert len(started) == 1
  assert errors[0] is errors[1] is errors[3] is None
  assert "UTF-8" in errors[2]
  arrays = []
  for number in (0, 1, 3):
    folder = tmp_path / f"out_{number}"
    assert (folder / prediction_clips.ROWS_FILE).exists()
    with np.load(folder / "0.npz") as file:
      arrays.append(file["audio"])
  assert [len(each) for each in arrays] == [16, 8, 16]
  np.testing.assert_array_equal(arrays[0], arrays[2])
  assert not any((tmp_path / "out_2").iterdir())
