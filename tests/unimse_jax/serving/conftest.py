"""The demo page's server with a stand-in for the model."""

import dataclasses
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from unimse_jax.errors import InputError
from unimse_jax.serving.server import Limits, Server

ANSWER = {
  "output": "positive, 1.5, joy",
  "polarity": "positive",
  "intensity": 1.5,
  "emotions": {"moods": "joy"},
  "probabilities": {
    "polarity": {"negative": 0.1, "positive": 0.9},
    "moods": {"joy": 0.75, "anger & <b>rage</b>": 0.25},
  },
  "missing": ["video"],
  "notes": ["video absent: no_track <script>alert(1)</script>"],
  "error": None,
  "without": {
    "text": {"intensity": -0.5, "probabilities": {"polarity": 0.25}},
    "audio": {
      "intensity": 1.25,
      "probabilities": {"polarity": 0.8, "moods": 0.5},
    },
  },
}


@dataclasses.dataclass
class Model:
  """A stand-in: keeps what it was asked, and answers `ANSWER`.

  Attributes:
    asked: (words, name of the file, its bytes or None) of each question.
    files: paths of the files that it saw.
    may_answer: cleared, it keeps whoever asks waiting.
    failure: exception that it raises instead.
  """

  asked: list[tuple[str, str, bytes | None]]
  files: list[pathlib.Path]
  may_answer: threading.Event
  began: threading.Event
  failure: Exception | None = None

  def explain(self, text: str, media: pathlib.Path | None) -> dict[str, Any]:
    content = None if media is None else media.read_bytes()
    self.asked.append((text, "" if media is None else media.name, content))
    self.files += [] if media is None else [media]
    self.began.set()
    assert self.may_answer.wait(30)
    if self.failure:
      raise self.failure
    if media is None and not text:
      raise InputError("expected text, audio or video, found none of them")
    return ANSWER


@pytest.fixture
def model() -> Model:
  made = Model([], [], threading.Event(), threading.Event())
  made.may_answer.set()
  return made


@pytest.fixture
def serve(model) -> Iterator[Callable[..., Server]]:
  """Starts a server on a free port; it ends with the test."""
  started = []

  def start(host: str = "127.0.0.1", **limits: int) -> Server:
    server = Server(host, 0, "runs/<tiny>", Limits(**limits), model.explain)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    started.append((server, thread))
    return server

  yield start
  model.may_answer.set()
  for server, thread in started:
    server.shutdown()
    thread.join()
    server.server_close()
