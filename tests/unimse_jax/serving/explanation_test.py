"""A clip's answer, and the same with each modality withheld."""

import contextlib
import dataclasses
import pathlib
import types

import numpy as np
import pytest

from unimse_jax.errors import InputError
from unimse_jax.prediction import Clip, Predictor
from unimse_jax.serving.explanation import explain

_RNG = np.random.default_rng(0)
_VOICE = _RNG.standard_normal((6, 4)).astype(np.float32)
_FACE = _RNG.standard_normal((3, 6)).astype(np.float32)
_FILE = pathlib.Path("clip.mp4")


@pytest.fixture(scope="module")
def opened(straight) -> Predictor:
  return Predictor.from_workdir(straight, 4, 1)


@pytest.fixture
def predictor(opened, monkeypatch):
  """The tiny run, for which any file holds `extracted`."""
  extracted = {"audio": _VOICE, "video": _FACE}

  def extract(clips):
    (clip,) = clips
    if "error" in extracted:
      return [InputError(extracted["error"])]
    notes = extracted.get("notes", ())
    frames = {name: extracted[name] for name in ("audio", "video")}
    return [dataclasses.replace(clip, media=None, notes=notes, **frames)]

  exporter = types.SimpleNamespace(
    extract_files=extract, process=contextlib.nullcontext()
  )
  monkeypatch.setattr(opened, "exporter", exporter)
  opened.extracted = extracted
  return opened


def test_each_modality_is_withheld_once(predictor):
  answer = explain(predictor, "a great film", _FILE)
  text, audio, video = predictor.predict(
    [
      Clip(text="", audio=_VOICE, video=_FACE),
      Clip(text="a great film", video=_FACE),
      Clip(text="a great film", audio=_VOICE),
    ]
  )
  (whole,) = predictor.predict(
    [Clip(text="a great film", audio=_VOICE, video=_FACE)]
  )
  without = answer.pop("without")
  assert answer == whole.to_json()
  assert list(without) == ["text", "audio", "video"]
  for name, other in zip(without, (text, audio, video), strict=True):
    found = without[name]
    assert found["intensity"] == other.intensity
    assert list(found["probabilities"]) == ["polarity", "moods"]
    for slot, share in found["probabilities"].items():
      # Padding to a batch moves the last bits.
      assert share == pytest.approx(
        other.probabilities[slot][whole.parsed.fields[slot]], abs=1e-6
      )


def test_one_modality_alone_is_not_withheld(predictor):
  assert explain(predictor, "so", None)["without"] == {}
  predictor.extracted |= {"video": _FACE[:0], "notes": ("video absent: black",)}
  answer = explain(predictor, " ", _FILE)
  assert answer["without"] == {}
  assert "video absent: black" in answer["notes"]
  assert answer["missing"] == ("video",)


def test_a_clip_that_cannot_be_answered_says_why(predictor):
  predictor.extracted |= {"audio": _VOICE[:0], "video": _FACE[:0]}
  predictor.extracted["notes"] = ("audio absent: silence",)
  with pytest.raises(InputError, match="found none of them; audio absent: sil"):
    explain(predictor, "", _FILE)
  predictor.extracted["error"] = "audio: no such file"
  with pytest.raises(InputError, match="^audio: no such file$"):
    explain(predictor, "so", _FILE)
