"""What is read of model.json is what was written, or one message."""

import dataclasses
import json

import pytest

from unimse_jax.errors import InputError
from unimse_jax.models import T5Config
from unimse_jax.pipeline import model_file


@pytest.fixture
def content() -> model_file.ModelFile:
  return model_file.ModelFile(
    data_sha256="0" * 64,
    extraction={"audio": {"mels": 64}},
    t5=dataclasses.asdict(T5Config(width=16)),
    slots={
      "polarity": ["negative", "positive"],  # written, not read
      "intensity": True,
      "emotions": {"moods": {"glad": "positive"}},
    },
    grid=[-1.0, 0.5],
    contradictions=[["positive", "moods", "sad"]],
    target_length=7,
  )


def test_it_is_read_as_it_was_written(tmp_path, content):
  path = tmp_path / "model.json"
  model_file.write(path, content)
  assert model_file.read(path) == content
  assert T5Config(**model_file.read(path)["t5"]) == T5Config(width=16)


def test_a_run_older_than_the_extraction_field_is_read(tmp_path, content):
  path = tmp_path / "model.json"
  del content["extraction"]
  model_file.write(path, content)
  assert "extraction" not in model_file.read(path)


def test_all_that_does_not_fit_is_named_with_its_place(tmp_path, content):
  path = tmp_path / "model.json"
  del content["data_sha256"]
  content["t5"]["width"] = "wide"
  content["t5"]["depth"] = 3
  content["slots"]["emotions"]["moods"]["glad"] = "happy"
  content["grid"] = [0.5, None]
  path.write_text(json.dumps(content | {"other": 1}))
  with pytest.raises(InputError) as refused:
    model_file.read(path)
  message = str(refused.value)
  for place in (
    *("data_sha256: field required", "t5.width: ", "t5.depth: "),
    *("slots.emotions.moods.glad: ", "grid.1: ", "other: "),
    *(str(path), "put the file back", "a newer version's: update"),
  ):
    assert place in message
