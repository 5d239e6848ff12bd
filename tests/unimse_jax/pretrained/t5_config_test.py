"""Every value of a config.json is checked, and all faults come at once."""

import json
import time

import numpy as np
import pytest
from flax import traverse_util
from safetensors.numpy import save_file

from unimse_jax.errors import InputError
from unimse_jax.models import T5Config
from unimse_jax.pretrained import (
  huggingface,
  names,
  open_checkpoint,
  t5_config,
)

_LEAST = {"vocab_size": 60, "d_model": 16, "d_kv": 4, "d_ff": 24}
_LEAST |= {"num_layers": 2, "num_heads": 3}


def read(folder, values) -> T5Config:
  path = folder / "config.json"
  path.write_text(values if isinstance(values, str) else json.dumps(values))
  return t5_config.to_t5_config(t5_config.read(path), tied=True)


def test_the_defaults_are_those_of_t5(tmp_path):
  expected = T5Config(
    vocab_size=60,
    width=16,
    head_width=4,
    hidden=24,
    heads=3,
    encoder_layers=2,
    decoder_layers=2,
    relative_buckets=32,
    relative_max_distance=128,
    dropout=0.1,
    norm_epsilon=1e-6,
    activation="relu",
    gated=False,
    tied=True,
    scale_logits=True,
  )
  assert read(tmp_path, _LEAST) == expected
  # A null is no value.
  nulls = {"num_decoder_layers": None, "dropout_rate": None}
  assert read(tmp_path, _LEAST | nulls) == expected


def test_the_values_travel(tmp_path):
  values = {"num_decoder_layers": 1, "layer_norm_epsilon": 1e-5}
  values |= {"dropout_rate": 0, "relative_attention_num_buckets": 8}
  values |= {"relative_attention_max_distance": 20}
  found = read(tmp_path, _LEAST | values)
  assert (found.encoder_layers, found.decoder_layers) == (2, 1)
  assert (found.norm_epsilon, found.dropout) == (1e-5, 0.0)
  assert (found.relative_buckets, found.relative_max_distance) == (8, 20)


@pytest.mark.parametrize(
  ("values", "activation", "gated"),
  [
    ({"feed_forward_proj": "gelu"}, "gelu", False),
    ({"feed_forward_proj": "gated-gelu"}, "gelu_new", True),
    ({"feed_forward_proj": "gated-gelu_python"}, "gelu", True),
    ({"feed_forward_proj": "gated-swish"}, "silu", True),
    ({"feed_forward_proj": "gated-gelu_pytorch_tanh"}, "gelu_new", True),
    ({"model_type": "mt5"}, "gelu_new", True),
    ({"dense_act_fn": "silu", "is_gated_act": True}, "silu", True),
  ],
)
def test_names_of_the_feed_forward(tmp_path, values, activation, gated):
  found = read(tmp_path, _LEAST | values)
  assert (found.activation, found.gated) == (activation, gated)


@pytest.mark.parametrize(
  ("name", "value"),
  [(name, 0) for name in _LEAST]
  + [(name, -1) for name in ("num_layers", "num_decoder_layers", "d_ff")]
  + [("num_decoder_layers", 0), ("num_layers", 2.0), ("num_heads", True)]
  + [("vocab_size", "60"), ("d_model", [16]), ("d_kv", {"a": 1})]
  + [("vocab_size", 10**9), ("d_model", 10**300), ("d_ff", float("nan"))]
  + [("relative_attention_num_buckets", 2), ("dropout_rate", 1.0)]
  + [("relative_attention_max_distance", -128), ("dropout_rate", 10**399)]
  + [("dropout_rate", float("nan")), ("layer_norm_epsilon", "small")]
  + [("layer_norm_epsilon", float("inf")), ("layer_norm_epsilon", -1e-6)]
  + [("tie_word_embeddings", "yes"), ("scale_decoder_outputs", 1)]
  + [("is_gated_act", "true"), ("feed_forward_proj", 3)]
  + [("feed_forward_proj", "maxout"), ("feed_forward_proj", "split-gelu")]
  + [("feed_forward_proj", ""), ("dense_act_fn", "gelu_10")]
  + [("dense_act_fn", ["relu"])],
)
def test_an_absurd_value_is_told_in_one_line(tmp_path, name, value):
  with pytest.raises(InputError) as caught:
    read(tmp_path, _LEAST | {name: value})
  message = str(caught.value)
  assert "1 value(s) that no T5 can have" in message
  assert f"{name} = " in message
  assert "expected" in message
  assert "\n" not in message
  assert len(message) < 400


def test_all_absurd_values_come_at_once(tmp_path):
  with pytest.raises(InputError, match=r"2 value\(s\).*d_kv = -1.*d_ff = 'a'"):
    read(tmp_path, _LEAST | {"d_kv": -1, "d_ff": "a"})


def test_a_distance_within_the_exact_buckets_is_refused(tmp_path):
  """The logarithm between them would be of one or less."""
  with pytest.raises(InputError, match="more than half of relative_attention"):
    read(tmp_path, _LEAST | {"relative_attention_max_distance": 16})


@pytest.mark.parametrize(
  ("content", "expected"),
  [
    ("", "an empty file"),
    ("[1, 2]", r"an object .* found \[1, 2\]"),
    ("null", "found None"),
    ('{"d_model": 16', "delimiter"),
    ("[" * 100_000, "nested too deeply"),
    ('{"a":' * 100_000, "nested too deeply"),
    ('{"d_model": ' + "9" * 5000 + "}", "a number of 5000 digits"),
    ('{"d_ff": 1, "d_ff": 2}', "'d_ff' stands twice"),
    ("{}", "found no vocab_size, d_model, d_kv, d_ff, num_heads, num_layers"),
    ("\x00\xff" * 40, "found none"),
  ],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path, content, expected):
  with pytest.raises(InputError, match=expected) as caught:
    read(tmp_path, content)
  assert str(tmp_path / "config.json") in str(caught.value)
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
  ("name", "value", "expected"),
  [
    ("num_layers", 10**6, "2 layers of the encoder, config.json says 1000000"),
    ("num_decoder_layers", 9, "2 layers of the decoder, config.json says 9"),
    ("vocab_size", 2**24, r"shared.weight has shape \[60, 16\], config.json"),
    ("d_model", 2**24, r"says \[60, 16777216\]"),
    ("d_ff", 2**24, r"says \[16, 16777216\]"),
    ("num_heads", 2**24, r"says \[16, 67108864\]"),
    ("relative_attention_num_buckets", 2**8, r"says \[256, 3\]"),
  ],
)
def test_a_size_that_the_weights_have_not_is_told_at_once(
  tmp_path, name, value, expected
):
  config = read(tmp_path, _LEAST)
  theirs = names.torch_names(2, 2)
  shapes = huggingface.abstract_params(config)
  flat = traverse_util.flatten_dict(shapes, sep="/")
  save_file(
    {
      theirs[path]: np.zeros(
        leaf.shape[::-1] if path.endswith("/kernel") else leaf.shape, np.float32
      )
      for path, leaf in flat.items()
    },
    tmp_path / "model.safetensors",
  )
  assert open_checkpoint(str(tmp_path)).config == config
  read(tmp_path, _LEAST | {"relative_attention_max_distance": 200, name: value})
  began = time.monotonic()
  with pytest.raises(InputError, match=expected):
    open_checkpoint(str(tmp_path))
  assert time.monotonic() - began < 10
