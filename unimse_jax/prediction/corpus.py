"""Predictions as JSON lines: for an exported corpus, or for raw clips."""

import dataclasses
import json
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tqdm

from unimse_cli.storage import local_path, make_directory, user_path
from unimse_jax.data import inputs
from unimse_jax.data.records import CorpusRecords, Record
from unimse_jax.data.utterance import Utterance
from unimse_jax.errors import InputError
from unimse_jax.files import open_atomically
from unimse_jax.prediction.clips import Clip
from unimse_jax.prediction.prediction import Prediction
from unimse_jax.prediction.predictor import Predictor
from unimse_jax.prediction.recordings import Recording, TimedPrediction

STANDARD = "-"  # stdin or stdout


@dataclasses.dataclass(frozen=True)
class Count:
  """How many rows were written, and how many of them hold an error."""

  rows: int
  errors: int


def predict_records(
  predictor: Predictor, data_dir: str, name: str, split: str, output: str
) -> Count:
  """Writes one JSON line per record of a split.

  Args:
    predictor: predictor of a run that reads such features.
    data_dir: folder that the exporter wrote to.
    name: name of the corpus.
    split: train, validation or test.
    output: file that appears whole or not at all, or "-" for stdout.

  Raises:
    InputError: no such dataset or split, or features of other settings.
  """
  records = CorpusRecords(data_dir, name)
  texts = records.texts[split]
  if not texts:
    raise InputError(f"Dataset {name}: expected a {split} split, found none.")
  expected = predictor.pipeline.extraction.get("settings_sha256")
  actual = records.metadata["settings_sha256"]
  if expected not in (None, actual):
    raise InputError(
      f"Dataset {name}: expected features of the extraction settings "
      f"{expected} that the run was trained on, found {actual}. Export it "
      "again with the same options."
    )
  clips = (
    _to_clip(record, records.frames(split, number), predictor)
    for number, record in enumerate(texts)
  )
  rows = (
    _row(record.id, prediction)
    for record, prediction in zip(
      texts, predictor.predict_iter(clips), strict=True
    )
  )
  return _write(rows, len(texts), output)


def predict_media(predictor: Predictor, manifest: str, output: str) -> Count:
  """Writes one JSON line per row of a manifest of clips.

  Args:
    predictor: predictor whose exporter extracts the media.
    manifest: file of JSON lines, or "-" for stdin (paths are then relative to
      the working directory).
    output: file that appears whole or not at all, or "-" for stdout.

  Raises:
    InputError: no such file, or the exporter is not there or refuses.
  """
  with tempfile.TemporaryDirectory(prefix="unimse_input_") as folder:
    path = local_path(manifest)
    root = path.parent
    if manifest == STANDARD:
      path, root = pathlib.Path(folder) / "clips.jsonl", pathlib.Path.cwd()
      path.write_bytes(sys.stdin.buffer.read())
    if not path.is_file():
      raise InputError(f"--input: expected JSON lines, found no file {path}.")
    with predictor.exporter.extract(path, root) as extraction:
      answers = predictor.predict_iter(extraction.clips())
      rows = (
        _row(row["id"], answer)
        for row, answer in zip(extraction.rows, answers, strict=True)
      )
      return _write(rows, len(extraction.rows), output)


def predict_recording(
  predictor: Predictor, recording: Recording, output: str
) -> tuple[Count, list[TimedPrediction]]:
  """Writes one JSON line per utterance of a recording, in order of time.

  Args:
    predictor: predictor whose exporter cuts it and extracts the utterances.
    recording: media file and its words.
    output: file that appears whole or not at all, or "-" for stdout.

  Returns:
    How many were written, and what they say.

  Raises:
    InputError: a recording that cannot be cut, or the exporter is not there.
  """
  with predictor.cut(recording) as cut:
    kept: list[TimedPrediction] = []
    answers = predictor.predict_iter(cut.extraction.clips())
    rows = _keep(cut.with_times(answers), kept)
    return _write(rows, len(cut.rows), output), kept


def _keep(
  answers: Iterable[TimedPrediction], kept: list[TimedPrediction]
) -> Iterator[dict[str, Any]]:
  """Yields the lines of answers, and puts these into a list."""
  for answer in answers:
    kept.append(answer)
    yield answer.to_json()


def _to_clip(
  record: Record, frames: Mapping[str, np.ndarray], predictor: Predictor
) -> Clip:
  """A record as a clip; names that the run does not read are left out."""
  words = {
    field.name: getattr(record, field.name)
    for field in dataclasses.fields(Utterance)
  }
  config, notes = predictor.pipeline.config, ()
  if record.corpus not in config.data.corpora:
    words["corpus"] = ""
    notes = (
      f"corpus: the run was not trained on {record.corpus}; its texts are read "
      "like those of no corpus",
    )
  if not inputs.reads_speakers(record.corpus, config.text):
    words |= {"speaker": "", "before_speakers": (), "after_speakers": ()}
  return Clip(**words, **frames, notes=notes)


def _row(name: str, prediction: Prediction) -> dict[str, Any]:
  return {"id": name, **prediction.to_json()}


def _write(rows: Iterable[dict], total: int, output: str) -> Count:
  bar = tqdm.tqdm(rows, total=total, desc="predicting", disable=None)
  if output == STANDARD:
    return _write_lines(bar, sys.stdout.buffer)
  path = user_path(output)
  try:
    make_directory(path.parent)
    with open_atomically(path) as file:
      return _write_lines(bar, file)
  except OSError as error:
    raise InputError(f"--output: {path} cannot be written: {error}") from error


def _write_lines(rows: Iterable[dict], file: Any) -> Count:
  count = errors = 0
  for row in rows:
    file.write((json.dumps(row) + "\n").encode())
    count += 1
    errors += row["error"] is not None
  file.flush()
  return Count(count, errors)
