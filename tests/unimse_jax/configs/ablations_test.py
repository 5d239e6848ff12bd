"""Every row of the ablation tables is valid, builds, and learns a step."""

import copy
import importlib
import pathlib
import re

import jax
import numpy as np
import pytest

from configs import ablations, base, demo
from unimse_jax import config as config_lib
from unimse_jax.config import Config
from unimse_jax.models import UniMSE
from unimse_jax.parallel import trees
from unimse_jax.pipeline.model_shape import model_config, random_t5

_NAMES = [name for name, _ in ablations.ROWS]
_FOLDER = pathlib.Path(ablations.__file__).parent


def read(name: str, *parent: str) -> dict:
  module = importlib.import_module(f"configs.ablations.{name}")
  return module.get_config(*parent).to_dict()


def flat(values: dict) -> dict:
  return {
    f"{section}.{name}": value
    for section, fields in values.items()
    if isinstance(fields, dict)
    for name, value in fields.items()
  }


def test_rows_are_the_files_of_the_folder():
  files = sorted(path.stem for path in _FOLDER.glob("[!_]*.py"))
  assert sorted(_NAMES) == files
  assert len({title for _, title in ablations.ROWS}) == len(_NAMES)
  assert ablations.TABLE_3[0] == "without_audio"
  assert ablations.TABLE_3[-1] == "without_mosei"


@pytest.mark.parametrize("parent", ["base", "demo", "paper", "authors"])
def test_rows_of_a_parent_are_valid_and_named_apart(parent):
  names = set()
  for name in _NAMES:
    config = config_lib.validate(read(name, parent))
    names.add(config.name)
    assert config.name == f"{parent}_{name}"
  assert len(names) == len(_NAMES)


@pytest.mark.parametrize("name", _NAMES)
def test_a_row_differs_from_its_parent(name):
  differences = [
    flat(read(name, parent.get_config().name))
    != flat(parent.get_config().to_dict())
    for parent in (base, demo)
  ]
  # Two turns is the default's window; the demo reads none, and fuses two of
  # its three layers.
  expected = {"window_2": [False, True], "window_0": [True, False]}
  expected["pmf_half_of_layers"] = [True, False]
  assert differences == expected.get(name, [True, True])


@pytest.mark.parametrize("name", _NAMES)
def test_a_row_builds(name):
  """Shapes only, of T5-base."""
  config = config_lib.validate(read(name))
  shapes = _shapes(config)
  paths = []
  trees.map_with_paths(lambda path, leaf: paths.append(path), shapes)
  assert any(path.startswith("fusion") for path in paths) == config.model.pmf
  for modality in ("audio", "video"):
    there = any(f"modality_encoder_{modality}" in path for path in paths)
    assert there == (modality in config.data.modalities), paths


def _shapes(config: Config):
  model = UniMSE(model_config(config, random_t5(config, 90)))
  tokens = jax.ShapeDtypeStruct((2, 9), np.int32)
  mask = jax.ShapeDtypeStruct((2, 9), np.bool_)
  batch = {"encoder_input_tokens": tokens, "segment_ids": tokens}
  batch |= {"encoder_mask": mask, "decoder_input_tokens": tokens}
  for modality in config.data.modalities:
    batch[modality] = jax.ShapeDtypeStruct((2, 9, 64), np.float32)
    batch[f"{modality}_mask"] = mask
  return jax.eval_shape(model.init, jax.random.key(0), batch)["params"]


def test_a_dropped_corpus_is_no_donor():
  values = read("without_meld", "demo")["data"]
  assert values["corpora"] == ("demo_mosi", "demo_mosei", "demo_iemocap")
  assert values["labels"] == "data/demo/universal_labels_without_meld.jsonl"
  values = read("only_meld")["data"]
  assert values["corpora"] == ("meld",)
  assert values["labels"] == "data/universal_labels_only_meld.jsonl"


def test_a_window_has_room_for_its_turns():
  assert read("window_4")["data"]["buckets"][-1] == 512
  values = read("window_4", "demo")
  assert values["text"]["max_tokens"] == values["data"]["buckets"][-1] == 512


def test_a_parent_or_corpus_that_is_none_is_named():
  with pytest.raises(ValueError, match=r"one of .*demo.* found 'nix'"):
    read("without_audio", "nix")
  with pytest.raises(ValueError, match="corpora are ravdess: no meld"):
    read("without_meld", "ravdess")


def test_the_last_two_blocks_are_the_t5s():
  for parent, last in (("base", 10), ("demo", 1)):
    pattern = read("t5_last_two_blocks", parent)["optimizer"]["trainable"]
    assert re.search(pattern, f"t5/encoder/layers_{last}/self_attention/q")
    assert re.search(pattern, "fusion_layers_9/down/kernel")
    assert not re.search(pattern, "t5/shared/embedding")
    assert not re.search(pattern, "t5/decoder/final_norm/scale")
  assert not re.search(
    read("t5_last_two_blocks")["optimizer"]["trainable"],
    "t5/encoder/layers_9/self_attention/q",
  )


# What a row changes in structure, not in numbers alone.
_STRUCTURES = ("without_audio_video", "three_field_labels", "t5_frozen")


@pytest.mark.parametrize("name", _STRUCTURES)
def test_a_row_trains(name, tiny_row, tmp_path):
  _train(tiny_row(name), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
  "name", [name for name in _NAMES if name not in _STRUCTURES]
)
def test_every_other_row_trains(name, tiny_row, tmp_path):
  _train(tiny_row(name), tmp_path)


def _train(config: Config, workdir: pathlib.Path) -> None:
  from unimse_jax.training import trainer

  assert trainer.train(config, workdir).finished


@pytest.fixture
def tiny_row(tiny_values, corpora, label_writer):
  """A row's difference from base, applied to the tiny config."""
  plain = flat(base.get_config().to_dict())

  def make(name: str) -> Config:
    values = copy.deepcopy(tiny_values)
    for path, value in flat(read(name)).items():
      section, _, field = path.partition(".")
      if value != plain[path]:
        values[section][field] = value
    data = values["data"]
    if set(data["corpora"]) != {"films", "friends"}:
      # The tiny corpora stand for those that are rated and those of dialogue.
      kind = ("mosi", "mosei"), ("meld", "iemocap")
      rated = sum(each in data["corpora"] for each in kind[0])
      spoken = sum(each in data["corpora"] for each in kind[1])
      kept = "films" if rated >= spoken else "friends"
      data["corpora"] = (kept,)
      path = corpora / f"{kept}.jsonl"
      if not path.exists():
        label_writer(corpora, kept)
      data["labels"] = str(path)
    model, layers = values["model"], values["t5"]["encoder_layers"]
    model["pmf_layers"] = min(model["pmf_layers"], layers)
    numbers = model["pmf_layer_numbers"]
    model["pmf_layer_numbers"] = tuple(n for n in numbers if n < layers)
    trainable = values["optimizer"]["trainable"]
    values["optimizer"]["trainable"] = trainable.replace("_10", "_0").replace(
      "_11", "_1"
    )
    values["train"]["epochs"] = 1
    return config_lib.validate(values)

  return make
