"""Predictions for the records of an exported corpus."""

import dataclasses
import json
import pathlib

from unimse_jax.data.records import CorpusRecords, RecordText
from unimse_jax.errors import InputError
from unimse_jax.files import write_atomically
from unimse_jax.prediction.predictor import Clip, Predictor


def predict(
  workdir: str, data_dir: str, name: str, split: str, output: pathlib.Path
) -> int:
  """Writes one JSON line per record of a split.

  Args:
    workdir: of the training run.
    data_dir: where the exporter wrote.
    name: of the corpus.
    split: of the corpus.
    output: appears whole or not at all.

  Returns:
    The number of lines.

  Raises:
    InputError: no such run, dataset or split.
  """
  predictor = Predictor.from_workdir(workdir)
  records = CorpusRecords(data_dir, name)
  texts = records.texts[split]
  if not texts:
    raise InputError(f"Dataset {name}: expected a {split} split, found none.")
  clips = [
    _clip(record, name, records.frames(split, number))
    for number, record in enumerate(texts)
  ]
  lines = [
    json.dumps({"id": record.id, **dataclasses.asdict(prediction)})
    for record, prediction in zip(texts, predictor.predict(clips), strict=True)
  ]
  output.parent.mkdir(parents=True, exist_ok=True)
  write_atomically(output, ("\n".join(lines) + "\n").encode())
  return len(lines)


def _clip(record: RecordText, corpus: str, frames: dict) -> Clip:
  return Clip(
    text=record.text,
    before=record.before,
    after=record.after,
    speaker=record.speaker,
    before_speakers=record.before_speakers,
    after_speakers=record.after_speakers,
    corpus=corpus,
    **frames,
  )
