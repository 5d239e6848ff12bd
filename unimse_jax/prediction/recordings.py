"""Long recordings: the exporter cuts them into utterances, clips like others.

Each utterance's neighbours are its context, as in training.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from unimse_jax.errors import InputError
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.prediction.raw_media import Exporter, Extraction

Path = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recording:
  """A media file with the words that are said in it, or a way to get them.

  Attributes:
    media: sound or video file.
    transcript: words with their times, .srt, .vtt or .json; None: utterances
      are found by voice activity.
    asr: model that writes down what is said in these, "faster-whisper:DIR";
      None: they have no words.
    language: language for that model; empty: recognised anew for each.
    corpus: training corpus that the utterances are read like; empty: none.
  """

  media: Path
  transcript: Path | None = None
  asr: str | None = None
  language: str = "en"
  corpus: str = ""


@dataclasses.dataclass(frozen=True)
class TimedPrediction:
  """What the model says about an utterance of a recording.

  Attributes:
    id: file's name and the utterance's number, from 1.
    start, end: seconds.
    speaker: name; empty: unknown.
    text: spoken words; empty: unknown.
    prediction: the model's answer.
  """

  id: str
  start: float
  end: float
  speaker: str
  text: str
  prediction: Prediction

  def to_json(self) -> dict[str, Any]:
    """A line of unimse_jax.predict --media (docs/prediction.md)."""
    return {
      "id": self.id,
      "start": self.start,
      "end": self.end,
      "speaker": self.speaker,
      "text": self.text,
      **self.prediction.to_json(),
    }


@dataclasses.dataclass(frozen=True)
class Cut:
  """The utterances of a recording, while the exporter's files are there.

  Attributes:
    rows: rows of the exporter's manifest, in the order of their start.
    extraction: their features.
  """

  rows: list[dict[str, Any]]
  extraction: Extraction

  def with_times(
    self, answers: Iterable[Prediction]
  ) -> Iterator[TimedPrediction]:
    """Yields the answers to `extraction.clips()` with their times."""
    for row, answer in zip(self.rows, answers, strict=True):
      yield TimedPrediction(
        row["id"],
        row["start"],
        row["end"],
        row.get("speaker", ""),
        row["text"],
        # A long recording has thousands, and nobody looks at their vectors.
        dataclasses.replace(answer, embedding=None),
      )


@contextlib.contextmanager
def extract(exporter: Exporter, recording: Recording) -> Iterator[Cut]:
  """Cuts a recording and makes the features of its utterances.

  Args:
    exporter: exporter of the run that is to answer.
    recording: recording and its words.

  Raises:
    InputError: both kinds of words, or as for `Exporter.extract`.
  """
  if recording.transcript and recording.asr:
    raise InputError("expected one of transcript and asr, found both.")
  with tempfile.TemporaryDirectory(prefix="unimse_input_") as name:
    manifest = pathlib.Path(name) / "clips.jsonl"
    arguments = {"media": os.fspath(recording.media), "out": str(manifest)}
    arguments |= {"language": recording.language, "corpus": recording.corpus}
    if recording.transcript:
      arguments["transcript"] = os.fspath(recording.transcript)
    if recording.asr:
      arguments["asr"] = recording.asr
    exporter.run("utterances", arguments)
    lines = manifest.read_text(encoding="utf-8").splitlines()
    with exporter.extract(manifest, manifest.parent) as extraction:
      yield Cut([*map(json.loads, lines)], extraction)
