"""A model writes down what is said; a stand-in takes the place of its package.

The package and its models have hundreds of MB, and are the user's.
"""

import importlib.machinery
import sys
import types

import numpy as np
import pytest

from feature_export.errors import InputError
from feature_export.segmentation import recogniser


@pytest.fixture
def folder(tmp_path):
  """A folder with the files of a model."""
  for name in ("model.bin", "config.json", "tokenizer.json"):
    (tmp_path / name).write_text("{}")
  return tmp_path


@pytest.fixture
def calls(monkeypatch) -> list:
  """What the stand-in for faster_whisper was called with."""
  made = []

  class WhisperModel:
    def __init__(self, path, **options):
      made.append((path, options))
      if "broken" in path:
        raise RuntimeError("Unable to open file 'model.bin'")

    def transcribe(self, samples, **options):
      made.append((len(samples), options))
      pieces = [" Well,", " this is ", "it. "] if len(samples) else []
      return (types.SimpleNamespace(text=each) for each in pieces), None

  module = types.ModuleType("faster_whisper")
  module.__spec__ = importlib.machinery.ModuleSpec("faster_whisper", None)
  module.WhisperModel = WhisperModel
  monkeypatch.setitem(sys.modules, "faster_whisper", module)
  return made


def test_words_are_those_of_all_segments(folder, calls):
  recognise = recogniser.load(f"faster-whisper:{folder}", "en")
  assert recognise(np.zeros(160, np.float32)) == "Well, this is it."
  assert recognise(np.zeros(0, np.float32)) == ""
  (path, options), first, _ = calls
  assert (path, options["local_files_only"]) == (str(folder), True)
  assert first == (
    160,
    {"language": "en", "condition_on_previous_text": False},
  )


def test_an_empty_language_is_left_to_the_model(folder, calls):
  recogniser.load(f"faster-whisper:{folder}", "")(np.zeros(1, np.float32))
  assert calls[1][1]["language"] is None


@pytest.mark.parametrize(
  "name", ["whisper", "faster-whisper", "faster-whisper:"]
)
def test_another_program_is_refused(name):
  with pytest.raises(InputError, match="expected faster-whisper:DIR.*found"):
    recogniser.load(name, "en")


def test_nothing_is_fetched_for_a_folder_that_lacks_files(folder, calls):
  (folder / "tokenizer.json").unlink()
  (folder / "model.bin").unlink()
  with pytest.raises(InputError, match="lacks model.bin, tokenizer.json. Down"):
    recogniser.load(f"faster-whisper:{folder}", "en")
  with pytest.raises(InputError, match="lacks model.bin, config.json, tok"):
    recogniser.load("faster-whisper:Systran/faster-whisper-small", "en")
  assert calls == []


def test_a_model_that_cannot_be_loaded_is_one_message(folder, calls):
  broken = folder / "broken"
  broken.mkdir()
  for name in ("model.bin", "config.json", "tokenizer.json"):
    (broken / name).write_text("{}")
  with pytest.raises(InputError, match="cannot be loaded: Unable to open"):
    recogniser.load(f"faster-whisper:{broken}", "en")


def test_a_missing_package_is_named(folder, monkeypatch):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(InputError, match=r'pip install "\.\[asr\]"'):
    recogniser.load(f"faster-whisper:{folder}", "en")
