"""Every T5 that is read gives torch's logits, whichever version wrote it.

A directory of transformers 4 is written here as 4.57.1 writes it: one flag for
tying and scaling, left out where it is true, and no copies of the embedding.
The installed transformers 5 reads it, and saves it again in its own way.
"""

import json
import pathlib

import jax
import numpy as np
import pytest

from unimse_jax.errors import InputError
from unimse_jax.models import T5
from unimse_jax.pretrained import load, open_checkpoint

# Issue 2 demands it: float32 sums in another order, a few layers deep.
_TOLERANCE = 1e-4
_SHAPE = {"vocab_size": 60, "d_model": 16, "d_kv": 4, "d_ff": 24}
_SHAPE |= {"num_layers": 2, "num_decoder_layers": 2, "num_heads": 4}
_V1 = {"model_type": "t5", "feed_forward_proj": "relu"}
_V1 |= {"dense_act_fn": "relu", "is_gated_act": False}
_GATED = {"feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu_new"}
_GATED |= {"is_gated_act": True, "tie_word_embeddings": False}
# What tells the families apart in the config.json of transformers 4.
_FAMILIES = {
  "t5": _V1,
  "v1_1": {"model_type": "t5", **_GATED},
  "flan": {"model_type": "t5", **_GATED, "d_kv": 6, "n_positions": 512},
  "mt5": {"model_type": "mt5", **_GATED, "tokenizer_class": "T5Tokenizer"},
  "byt5": {"model_type": "t5", **_GATED, "num_decoder_layers": 1}
  | {"tokenizer_class": "ByT5Tokenizer", "vocab_size": 384},
  # What the oldest directories leave out: the activation's own names.
  "old_t5": {"model_type": "t5"},
  "old_v1_1": {"model_type": "t5", "feed_forward_proj": "gated-gelu"}
  | {"tie_word_embeddings": False, "num_decoder_layers": None},
  # The names of the activation go before feed_forward_proj.
  "renamed": {"model_type": "t5", **_GATED, "dense_act_fn": "silu"},
}


def write_version_4(folder: pathlib.Path, family: dict) -> None:
  """A directory of transformers 4 with random weights."""
  import torch
  from safetensors.torch import save_file
  from transformers import T5Config, T5ForConditionalGeneration

  torch.set_num_threads(1)
  torch.manual_seed(0)
  values = {**_SHAPE, **family}
  shape = {
    name: value
    for name, value in values.items()
    if name not in ("model_type", "tokenizer_class", "tie_word_embeddings")
  }
  model = T5ForConditionalGeneration(T5Config(**shape))
  weights = {
    name: torch.randn_like(tensor) * 0.3
    for name, tensor in model.state_dict().items()
    if "embed_tokens" not in name and name != "lm_head.weight"
  }
  if values.get("tie_word_embeddings") is False:
    weights["lm_head.weight"] = torch.randn_like(weights["shared.weight"]) * 0.3
  folder.mkdir(exist_ok=True)
  save_file(weights, folder / "model.safetensors", {"format": "pt"})
  values |= {"is_encoder_decoder": True, "transformers_version": "4.57.1"}
  values |= {"decoder_start_token_id": 0, "torch_dtype": "float32"}
  (folder / "config.json").write_text(json.dumps(values))


def read_by_torch(folder: pathlib.Path, kind: str | None = None):
  import transformers

  kind = kind or json.loads((folder / "config.json").read_text())["model_type"]
  name = f"{kind.upper()}ForConditionalGeneration"
  return getattr(transformers, name).from_pretrained(folder).eval()


def edit_config(folder: pathlib.Path, **changes) -> None:
  path = folder / "config.json"
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: pathlib.Path, change) -> None:
  from safetensors.numpy import load_file, save_file

  path = folder / "model.safetensors"
  save_file(change(load_file(path)), path, {"format": "pt"})


def inputs() -> tuple[np.ndarray, ...]:
  rng = np.random.default_rng(1)
  mask = np.arange(40) < np.array([[40], [25], [3]])
  tokens = rng.integers(2, 60, (3, 40)) * mask
  return tokens, mask, rng.integers(0, 60, (3, 21))


def logits_of_torch(model) -> np.ndarray:
  import torch

  tokens, mask, targets = inputs()
  with torch.no_grad():
    return model(
      input_ids=torch.as_tensor(tokens),
      attention_mask=torch.as_tensor(mask.astype(np.int64)),
      decoder_input_ids=torch.as_tensor(targets),
    ).logits.numpy()


def check_logits(folder: pathlib.Path, expected: np.ndarray) -> None:
  config, params = load(str(folder))
  found = jax.jit(T5(config).apply)({"params": params}, *inputs())
  np.testing.assert_allclose(found, expected, rtol=0, atol=_TOLERANCE)
  assert np.std(expected) > 100 * _TOLERANCE


@pytest.mark.parametrize("family", _FAMILIES)
def test_both_versions_of_a_family_give_torchs_logits(family, tmp_path):
  old, new = tmp_path / "old", tmp_path / "new"
  write_version_4(old, _FAMILIES[family])
  model = read_by_torch(old)
  expected = logits_of_torch(model)
  check_logits(old, expected)
  model.save_pretrained(new)
  assert json.loads((new / "config.json").read_text())["tie_word_embeddings"]
  np.testing.assert_array_equal(logits_of_torch(read_by_torch(new)), expected)
  check_logits(new, expected)


def test_a_tied_mt5_is_scaled_by_version_4_and_not_by_5(tmp_path):
  """Version 4 had one model for both; 5's mT5 knows no scale."""
  write_version_4(tmp_path, _V1 | {"model_type": "mt5"})
  edit_config(tmp_path, tie_word_embeddings=True)
  unscaled = logits_of_torch(read_by_torch(tmp_path))
  scaled = logits_of_torch(read_by_torch(tmp_path, "t5"))
  np.testing.assert_allclose(scaled, unscaled / 4, rtol=1e-5, atol=1e-6)
  check_logits(tmp_path, scaled)
  edit_config(tmp_path, transformers_version="5.24.0")
  check_logits(tmp_path, unscaled)


@pytest.mark.parametrize("sharded", [False, True])
def test_what_version_5_writes_of_an_untied_mt5(tmp_path, sharded):
  old, new = tmp_path / "old", tmp_path / "new"
  write_version_4(old, _FAMILIES["mt5"])
  model = read_by_torch(old)
  options = {"max_shard_size": "8KB"} if sharded else {}
  model.save_pretrained(new, **options)
  values = json.loads((new / "config.json").read_text())
  assert values["tie_word_embeddings"]
  assert "scale_decoder_outputs" not in values
  config = open_checkpoint(str(new)).config
  assert (config.tied, config.scale_logits) == (False, False)
  check_logits(new, logits_of_torch(model))


@pytest.mark.parametrize(
  ("family", "reason"),
  [
    ("umt5", "a position bias in every layer"),
    ("longt5", "local attention"),
    ("switch_transformers", "experts"),
    ("t5gemma2", "'t5gemma2'"),
    (["t5"], r"\['t5'\]"),
  ],
)
def test_a_relative_is_refused_by_name(family, reason, tmp_path):
  write_version_4(tmp_path, _V1 | {"model_type": family})
  with pytest.raises(InputError, match=reason) as caught:
    load(str(tmp_path))
  assert "expected a model_type of t5 or mt5" in str(caught.value)
  assert "\n" not in str(caught.value)


def test_an_encoder_alone_is_told_in_one_line(tmp_path):
  write_version_4(tmp_path, _V1)
  edit_weights(
    tmp_path,
    lambda tensors: {
      name: value
      for name, value in tensors.items()
      if not name.startswith("decoder")
    },
  )
  with pytest.raises(InputError, match="0 layers of the decoder, config") as e:
    load(str(tmp_path))
  assert "(1 faults)" in str(e.value)


@pytest.mark.parametrize("family", ["t5", "v1_1"])
@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_the_table_may_stand_under_its_other_names(family, stack, tmp_path):
  """As accelerate keeps it, and madlad400 (untied, the decoder's name)."""
  write_version_4(tmp_path, _FAMILIES[family])
  expected = logits_of_torch(read_by_torch(tmp_path))
  name = f"{stack}.embed_tokens.weight"
  edit_weights(tmp_path, lambda it: {name: it.pop("shared.weight"), **it})
  check_logits(tmp_path, expected)


def test_copies_of_the_table_are_equal_or_refused(tmp_path):
  write_version_4(tmp_path, _V1)
  expected = logits_of_torch(read_by_torch(tmp_path))
  name = "encoder.embed_tokens.weight"
  edit_weights(tmp_path, lambda it: it | {name: it["shared.weight"].copy()})
  check_logits(tmp_path, expected)
  edit_weights(tmp_path, lambda it: it | {name: it[name] + 1})
  with pytest.raises(InputError) as caught:
    load(str(tmp_path))
  assert (
    "encoder.embed_tokens.weight and shared.weight differ, expected the same"
  ) in str(caught.value)


def test_the_head_alone_is_no_table(tmp_path):
  """transformers 5 would take it for one, whatever it is."""
  write_version_4(tmp_path, _FAMILIES["v1_1"])
  edit_config(tmp_path, tie_word_embeddings=True)

  def drop(tensors):
    del tensors["shared.weight"]
    return tensors

  edit_weights(tmp_path, drop)
  with pytest.raises(InputError, match="missing shared/embedding"):
    load(str(tmp_path))


@pytest.mark.parametrize(
  "prefix",
  ["module.", "_orig_mod.", "model.", "base_model.model.", "transformer."]
  + ["module._orig_mod."],
)
def test_the_prefixes_of_wrappers_are_read(prefix, tmp_path):
  write_version_4(tmp_path, _FAMILIES["v1_1"])
  expected = logits_of_torch(read_by_torch(tmp_path))
  edit_weights(
    tmp_path,
    lambda it: {f"{prefix}{name}": value for name, value in it.items()},
  )
  check_logits(tmp_path, expected)


def test_a_lora_that_was_not_merged_is_told(tmp_path):
  write_version_4(tmp_path, _V1)
  name = "base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_A"
  lora = np.zeros((2, 16), np.float32)
  edit_weights(tmp_path, lambda it: it | {f"{name}.weight": lora})
  with pytest.raises(InputError, match=r"lora_A.*merge_and_unload\(\)"):
    load(str(tmp_path))


def test_the_unused_bias_of_published_t5s_is_passed_over(tmp_path):
  """t5-small to t5-11b have it in their files; transformers drops it too."""
  write_version_4(tmp_path, _V1)
  name = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias"
  bias = np.zeros((32, 4), np.float32)
  edit_weights(tmp_path, lambda it: it | {f"{name}.weight": bias})
  check_logits(tmp_path, logits_of_torch(read_by_torch(tmp_path)))


def test_an_old_msgpack_beside_safetensors_is_not_read(tmp_path, shared_data):
  """transformers reads model.safetensors, then its shards, then others."""
  write_version_4(tmp_path, _V1)
  old = shared_data / "hf_flax_t5" / "t5" / "flax_model.msgpack"
  (tmp_path / "flax_model.msgpack").write_bytes(old.read_bytes())
  check_logits(tmp_path, logits_of_torch(read_by_torch(tmp_path)))
  model = read_by_torch(tmp_path)
  (tmp_path / "model.safetensors").unlink()
  model.save_pretrained(tmp_path, max_shard_size="8KB")
  assert not (tmp_path / "model.safetensors").exists()
  check_logits(tmp_path, logits_of_torch(model))
