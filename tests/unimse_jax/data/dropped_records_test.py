"""Labels that leave records out, from the exporter to the scores (D37)."""

import json
import pathlib

import pytest
from absl import logging

from feature_export.corpora import schemes
from unimse_jax.data import mixture
from unimse_jax.errors import InputError
from unimse_jax.evaluation import evaluation_run
from unimse_jax.training import trainer

_TASK = {"joy": "positive", "anger": "negative", "calm": "neutral"}
_SPLITS = {"train": 12, "validation": 4, "test": 4}
_CLASSES = (*_TASK, "fear")


def _film(split: str, number: int) -> dict:
  """Every fourth film sounds like a fearful scene, another like an angry."""
  kind = _CLASSES[number % 4]
  intensity = {"joy": 1.6, "calm": 0.0}.get(kind, -1.2)
  return {"text": f"how {kind} it is", "intensity": intensity}


def _scene(split: str, number: int) -> dict:
  emotion = _CLASSES[number % 4]
  return {"text": f"how {emotion} it is", "emotion": emotion}


@pytest.fixture
def labels(corpus_writer, label_writer, monkeypatch, tmp_path) -> pathlib.Path:
  """Two corpora, one of them with a class that its task does not have."""
  task = schemes.EmotionScheme("moods", tuple(_TASK), _TASK)
  monkeypatch.setitem(schemes.SCHEMES, "moods", task)
  emotions = _TASK | {"fear": "negative"}
  for name, describe in (("films", _film), ("scenes", _scene)):
    corpus_writer(
      tmp_path, name, describe=describe, splits=_SPLITS, emotions=emotions
    )
  return label_writer(
    tmp_path, "films,scenes", "--donor_classes", "authors_drop"
  )


def _load(labels: pathlib.Path, donor_classes: str = "authors_drop"):
  return mixture.load(
    str(labels.parent),
    ("films", "scenes"),
    str(labels),
    donor_classes=donor_classes,
  )


def test_records_without_a_label_are_left_out_and_counted(labels, monkeypatch):
  lines = []
  monkeypatch.setattr(logging, "warning", lambda *line: lines.append(line))
  loaded = _load(labels)
  counts = {
    (name, split): sum(
      example.corpus == name for example in loaded.examples[split]
    )
    for name in ("films", "scenes")
    for split in _SPLITS
  }
  # A quarter of the scenes is of the class outside, in every split; a quarter
  # of the training films received it. Held-out films stay.
  assert counts == {
    ("films", "train"): 9,
    ("films", "validation"): 4,
    ("films", "test"): 4,
    ("scenes", "train"): 9,
    ("scenes", "validation"): 3,
    ("scenes", "test"): 3,
  }
  texts = [line[0] % line[1:] for line in lines]
  assert [text.split(" records")[0] for text in texts] == [
    "films/train: 3 of 12",
    "scenes/train: 3 of 12",
    "scenes/validation: 1 of 4",
    "scenes/test: 1 of 4",
  ]
  assert loaded.schema.classes("moods") == tuple(_TASK)
  assert loaded.emotion_classes("scenes") == tuple(_TASK)
  assert loaded.emotion_classes("films") == ()
  # Each example keeps its own frames, though others before it are gone.
  for example in loaded.examples["train"]:
    frames = loaded.frames("train", example)
    assert len(frames["audio"]) == example.audio_frames
  (held_out,) = [
    example
    for example in loaded.examples["test"]
    if example.corpus == "films" and "fear" in example.text
  ]
  assert held_out.label.intensity == pytest.approx(-1.2)
  assert held_out.label.emotions == {"moods": None}


def test_the_meta_file_counts_them_by_reason(labels):
  meta = json.loads(labels.with_suffix(".meta.json").read_text())
  assert meta["donor_classes"] == "authors_drop"
  assert meta["dropped"] == {
    "donor_class": {"films": {"train": 3}},
    "own_class": {"scenes": {"train": 3, "validation": 1, "test": 1}},
  }
  assert meta["counts"]["films"] == {"train": 9, "validation": 4, "test": 4}


def test_nobody_gets_them_without_asking(labels):
  with pytest.raises(InputError, match="made with --donor_classes authors_d"):
    _load(labels, "scheme")


def test_other_records_may_not_be_missing(labels):
  """More are gone than the labels say."""
  meta_file = labels.with_suffix(".meta.json")
  meta = json.loads(meta_file.read_text())
  meta["dropped"]["donor_class"]["films"]["train"] = 2
  meta_file.write_text(json.dumps(meta))
  with pytest.raises(InputError, match=r"3 records of films/train .* \(2 were"):
    _load(labels)


@pytest.mark.slow
def test_a_run_trains_and_scores_without_them(labels, tiny_config, tmp_path):
  config = tiny_config(
    {
      "data.dir": str(labels.parent),
      "data.corpora": ("films", "scenes"),
      "data.labels": str(labels),
      "data.donor_classes": "authors_drop",
      "train.epochs": 1,
    }
  )
  workdir = tmp_path / "run"
  # 18 training records in batches of 12.
  assert trainer.train(config, workdir).total_steps == 2
  evaluation, _, _ = evaluation_run.evaluate(config, workdir, "test")
  assert evaluation.corpora["films"]["n"] == 4
  scenes = evaluation.corpora["scenes"]
  assert scenes["n"] == 3
  assert set(scenes["per_class"]) == set(_TASK)
