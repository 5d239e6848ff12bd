"""Speech to words, by a model on this machine. Nothing is ever downloaded."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from feature_export.errors import InputError
from unimse_cli.storage import local_path

RATE = 16000  # Hz
_FASTER_WHISPER = "faster-whisper"
# Without the tokenizer, faster-whisper would fetch one from a hub.
_FILES = ("model.bin", "config.json", "tokenizer.json")

Recogniser = Callable[[np.ndarray], str]


def load(name: str, language: str) -> Recogniser:
  """Loads a model that recognises speech.

  Args:
    name: program and folder of the model, as "faster-whisper:DIR".
    language: code such as "en"; "": recognised anew for each utterance.

  Returns:
    float32[N] mono samples at `RATE` -> the words, "" where there are none.

  Raises:
    InputError: another program, no such folder, or a package that is absent.
  """
  program, _, folder = name.partition(":")
  if program != _FASTER_WHISPER or not folder:
    raise InputError(
      f"--asr: expected {_FASTER_WHISPER}:DIR, the folder of a model, found "
      f"{name!r}."
    )
  path = local_path(folder)
  absent = [each for each in _FILES if not (path / each).is_file()]
  if absent:
    raise InputError(
      f"--asr: expected a model of {_FASTER_WHISPER} in {path}, which lacks "
      f"{', '.join(absent)}. Download one, such as "
      "Systran/faster-whisper-small of the Hugging Face hub, and name its "
      "folder."
    )
  if importlib.util.find_spec("faster_whisper") is None:
    raise InputError(
      f"--asr: expected the package {_FASTER_WHISPER}, found none. Install it: "
      'pip install ".[asr]"'
    )
  return _load_faster_whisper(path, language)


def _load_faster_whisper(path: Path, language: str) -> Recogniser:
  from faster_whisper import WhisperModel

  try:
    model = WhisperModel(str(path), device="auto", local_files_only=True)
  except (RuntimeError, ValueError) as error:
    raise InputError(
      f"--asr: expected a model of {_FASTER_WHISPER} in {path}, found one that "
      f"cannot be loaded: {error}"
    ) from error

  def recognise(samples: np.ndarray) -> str:
    # An utterance is judged by itself: a wrong word must not bring the next.
    segments, _ = model.transcribe(
      samples, language=language or None, condition_on_previous_text=False
    )
    return " ".join("".join(each.text for each in segments).split())

  return recognise
