"""Every fault of a config is named, all at once."""

import copy
import importlib
import pathlib

import pytest

from configs import base
from unimse_jax import config as config_lib
from unimse_jax.config import Config
from unimse_jax.errors import InputError

_CONFIGS = pathlib.Path(base.__file__).parent
_NAMES = sorted(
  ".".join(path.relative_to(_CONFIGS).with_suffix("").parts)
  for path in _CONFIGS.glob("*.py")
  if path.name != "__init__.py"
)


@pytest.fixture
def values() -> dict:
  return copy.deepcopy(base.get_config().to_dict())


def faults(values: dict) -> str:
  with pytest.raises(InputError) as caught:
    config_lib.validate(values)
  return str(caught.value)


@pytest.mark.parametrize("name", _NAMES)
def test_every_config_is_valid(name):
  values = importlib.import_module(f"configs.{name}").get_config().to_dict()
  assert isinstance(config_lib.validate(values), Config)


def test_config_names_differ_so_that_default_workdirs_do():
  names = [
    importlib.import_module(f"configs.{name}").get_config().name
    for name in _NAMES
  ]
  assert len(set(names)) == len(names)


def test_to_dict_and_back_is_the_same_config(values):
  config = config_lib.validate(values)
  assert config_lib.validate(config_lib.to_dict(config)) == config


def test_all_faults_of_names_and_types_come_at_once(values):
  values["optimizer"]["learnig_rate"] = 1.0
  values["optimizer"]["weight_deca"] = values["optimizer"].pop("weight_decay")
  values["modell"] = {}
  values["seed"] = "zero"
  values["t5"]["gated"] = 1
  values["data"]["corpora"] = ("mosi", 3)
  message = faults(values)
  assert "7 fault(s)" in message
  near = "config.optimizer.weight_deca is unknown; did you mean "
  assert near + "optimizer.weight_decay?" in message
  assert "config.optimizer.weight_decay is missing" in message
  assert "config.optimizer.learnig_rate is unknown" in message
  assert "config.modell is unknown; did you mean model?" in message
  assert "config.seed: expected int, found 'zero' (str)" in message
  assert "config.t5.gated: expected bool, found 1 (int)" in message
  assert "config.data.corpora: expected a tuple of str" in message


def test_all_faults_of_values_come_at_once(values):
  values["optimizer"]["lr_pmf"] = -1e-4
  values["optimizer"]["trainable"] = "("
  values["t5"]["dtype"] = "float16"
  values["t5"]["dropout"] = 1.0
  values["loss"]["temperature"] = 0.0
  values["train"]["microbatches"] = 5
  values["data"]["modalities"] = ("audio", "smell")
  values["data"]["buckets"] = (64, 32)
  values["data"]["corpora"] = ("mosi", "mosi")
  values["label"]["separator"] = ";"
  message = faults(values)
  assert "10 fault(s)" in message
  for part in (
    "config.optimizer.lr_pmf: expected at least 0, found -0.0001",
    "config.optimizer.trainable: no regular expression",
    "config.t5.dtype: expected one of float32, bfloat16, found 'float16'",
    "config.t5.dropout: expected below 1, found 1.0",
    "config.loss.temperature: expected above 0, found 0.0",
    "a multiple of train.microbatches (5), found 96",
    "config.data.modalities: expected some of ('audio', 'video')",
    "config.data.buckets: expected rising lengths",
    "config.data.corpora: expected distinct names",
    "config.label.separator: expected a text with a comma",
  ):
    assert part in message, part


def test_the_last_bucket_must_hold_the_longest_text(values):
  values["text"]["max_tokens"] = 500
  assert "expected to end with text.max_tokens = 500" in faults(values)


@pytest.mark.parametrize("modalities", [("video", "audio"), ("audio",) * 2])
def test_modalities_have_one_order(values, modalities):
  values["data"]["modalities"] = modalities
  assert "in this order, found " + str(modalities) in faults(values)


def test_another_system_has_no_zeroed_modalities(values):
  values["model"]["zeroed_modalities"] = ("audio",)
  values["rival"]["system"] = "lmf"
  assert "expected (), found ('audio',); leave the modality" in faults(values)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("field", ["lr_t5", "clip_norm", "weight_decay"])
def test_numbers_that_are_none_are_refused(values, field, number):
  values["optimizer"][field] = number
  assert f"config.optimizer.{field}" in faults(values)


@pytest.mark.parametrize("section", ["loss", "train"])
@pytest.mark.parametrize("wrong", [3, None, "x", []])
def test_a_section_that_is_none_is_a_fault_not_a_traceback(
  values, section, wrong
):
  values[section] = wrong
  assert f"config.{section}" in faults(values)


@pytest.mark.parametrize(
  ("field", "value"),
  [("width", 0), ("heads", 0), ("encoder_layers", 0), ("hidden", -1)],
)
def test_a_t5_without_width_or_layers_is_refused(values, field, value):
  values["t5"][field] = value
  assert f"config.t5.{field}: expected at least 1" in faults(values)


@pytest.mark.parametrize(
  ("seed", "expected"),
  [(-1, "at least 0"), (2**32, "below 4294967296"), (2**64, "below 42949")],
)
def test_a_seed_that_jax_cannot_tell_from_others_is_refused(
  values, seed, expected
):
  """Its keys read 32 bits: 2**32 would be 0 again."""
  values["seed"] = seed
  assert f"config.seed: expected {expected}" in faults(values)


def test_a_whole_number_may_stand_for_a_float(values):
  values["loss"]["alpha"] = 1
  config = config_lib.validate(values)
  assert config.loss.alpha == 1.0
  assert isinstance(config.loss.alpha, float)


def test_free_fields_are_those_that_are_marked():
  assert "train.epochs" in config_lib.FREE_FIELDS
  assert "parallel.fsdp" in config_lib.FREE_FIELDS
  assert "train.selection" not in config_lib.FREE_FIELDS


def test_fields_that_change_what_is_learnt_are_not_free():
  for path in ("train.batch_size", "train.microbatches", "seed", "optimizer"):
    assert not any(path.startswith(free) for free in config_lib.FREE_FIELDS)


def test_more_fused_layers_than_layers_are_refused(values):
  values["t5"]["pretrained"] = ""
  values["model"]["pmf_layers"] = 13
  assert "config.model.pmf_layers: expected at most t5" in faults(values)


def test_no_microbatches_is_a_fault_not_a_division_by_zero(values):
  values["train"]["microbatches"] = 0
  assert "config.train.microbatches: expected at least 1" in faults(values)


def test_heads_that_nobody_trains_are_not_read(values):
  values["decoding"]["emotion"] = "heads"
  assert "config.decoding.emotion: expected written with" in faults(values)
  values["loss"]["heads"] = 1.0
  assert config_lib.validate(values).decoding.emotion == "heads"


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"pmf_place": "cross_attention", "adapter_residual": "text"}, "concat"),
    ({"pmf_place": "cross_attention", "adapter_norm": True}, "adapter_norm"),
    ({"pmf_place": "cross_attention", "adapter_heads": 5}, "adapter_heads"),
    ({"zeroed_modalities": ("smell",)}, "zeroed_modalities"),
    ({"pmf_layers": 0}, "the contrastive loss"),
    ({"pmf_layer_numbers": (3, 1)}, "rising numbers"),
    ({"pmf_layer_numbers": (12,)}, "below t5.encoder_layers = 12"),
    (
      {"pmf_layer_numbers": (0,), "contrastive_layers": "pre_block"},
      "pre_block",
    ),
  ],
)
def test_options_that_do_not_go_together_are_refused(values, changes, message):
  values["t5"]["pretrained"] = ""
  values["model"].update(changes)
  found = faults(values)
  assert "1 fault(s)" in found
  assert message in found


def test_paths_are_expanded_and_addresses_refused(monkeypatch, tmp_path):
  monkeypatch.setenv("HOME", str(tmp_path))
  values = base.get_config().to_dict()
  values["data"]["dir"] = "~/data"
  values["t5"]["pretrained"] = "google-t5/t5-small"
  config = config_lib.validate(values)
  assert config.data.dir == str(tmp_path / "data")
  assert config.t5.pretrained == "google-t5/t5-small"
  values["data"]["labels"] = "ftp://host/labels.jsonl"
  with pytest.raises(InputError, match="data.labels: expected a local path"):
    config_lib.validate(values)


def test_corpora_in_one_string_are_told_how_to_be_written():
  values = base.get_config().to_dict()
  values["data"]["corpora"] = ["mosi,meld"]
  with pytest.raises(InputError, match=r"\('meld','mosi'\)"):
    config_lib.validate(values)
