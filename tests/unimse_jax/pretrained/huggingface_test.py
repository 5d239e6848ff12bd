"""Parity with Hugging Face's own T5, and checkpoints with faults."""

import json
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from unimse_jax.errors import InputError
from unimse_jax.models import T5, T5Config
from unimse_jax.pretrained import (
  huggingface,
  load,
  open_checkpoint,
  place,
  tensors,
)

# Issue 2 demands it: float32 sums in another order, a few layers deep.
_TOLERANCE = 1e-4
# v1.0, v1.1, flan (whose exact gelu_new is spelt the same), and shapes where
# heads x d_kv is not d_model.
_SHAPES = {
  "t5": {"feed_forward_proj": "relu"},
  "v1_1": {"feed_forward_proj": "gated-gelu", "untied": True},
  "flan": {"feed_forward_proj": "gated-gelu", "untied": True, "d_kv": 6},
  "tied_unscaled": {"feed_forward_proj": "gated-gelu", "scale": False},
  "inner_width": {"feed_forward_proj": "relu", "d_kv": 7, "num_heads": 3},
  "silu": {"feed_forward_proj": "gated-silu", "num_decoder_layers": 1},
}


@pytest.fixture(scope="module")
def torch_model():
  """Makes a torch T5 with random weights of a size that shows mistakes."""
  import torch
  from transformers import T5Config, T5ForConditionalGeneration

  torch.set_num_threads(1)

  def make(untied=False, scale=None, **changes):
    shape = {"vocab_size": 60, "d_model": 16, "d_kv": 4, "d_ff": 24}
    shape |= {"num_layers": 2, "num_decoder_layers": 2, "num_heads": 4}
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(T5Config(**{**shape, **changes}))
    if untied:
      # transformers 5 ties whatever the config says.
      model.config.tie_word_embeddings = False
      model.config.scale_decoder_outputs = False
      model.lm_head.weight = torch.nn.Parameter(torch.randn(60, 16) * 0.3)
    if scale is not None:
      model.config.scale_decoder_outputs = scale
    with torch.no_grad():
      for name, value in model.named_parameters():
        if "layer_norm" in name:
          value.copy_(torch.rand_like(value) + 0.5)
        elif "SelfAttention" in name:
          value.mul_(2.0)
    return model.eval()

  return make


def inputs(rows: int = 3) -> tuple[np.ndarray, ...]:
  rng = np.random.default_rng(1)
  tokens = rng.integers(2, 60, (rows, 40))
  # Longer than the exact buckets of the position bias.
  mask = np.arange(40) < np.array([[40], [25], [3]])
  return tokens * mask, mask, rng.integers(0, 60, (rows, 21))


def logits_of(folder: pathlib.Path, tokens, mask, targets) -> np.ndarray:
  config, params = load(str(folder))
  return np.asarray(
    jax.jit(T5(config).apply)({"params": params}, tokens, mask, targets)
  )


@pytest.mark.parametrize("name", _SHAPES)
def test_safetensors_of_torch_give_torchs_logits(torch_model, tmp_path, name):
  import torch

  model = torch_model(**_SHAPES[name])
  model.save_pretrained(tmp_path)
  tokens, mask, targets = inputs()
  with torch.no_grad():
    expected = model(
      input_ids=torch.as_tensor(tokens),
      attention_mask=torch.as_tensor(mask.astype(np.int64)),
      decoder_input_ids=torch.as_tensor(targets),
    ).logits.numpy()
  found = logits_of(tmp_path, tokens, mask, targets)
  np.testing.assert_allclose(found, expected, rtol=0, atol=_TOLERANCE)
  assert np.std(expected) > 100 * _TOLERANCE
  config, params = load(str(tmp_path))
  assert config.tied == (not _SHAPES[name].get("untied", False))
  assert ("lm_head" in params) == (not config.tied)


@pytest.mark.parametrize("name", ["t5", "t5_v1_1"])
def test_flax_checkpoints_give_hugging_faces_logits(shared_data, name):
  folder = shared_data / "hf_flax_t5" / name
  expected = np.load(folder / "expected.npz")
  config, params = load(str(folder))
  mask = expected["attention_mask"].astype(bool)
  variables = {"params": params}
  encoded = jax.jit(
    lambda tokens: T5(config).apply(variables, tokens, mask, method="encode")
  )(expected["input_ids"])
  theirs = expected["encoder_last_hidden_state"]
  # Padded places hold numbers that nobody reads.
  difference = np.abs(np.asarray(encoded) - theirs)[mask]
  assert difference.max() < _TOLERANCE
  found = logits_of(
    folder, expected["input_ids"], mask, expected["decoder_input_ids"]
  )
  np.testing.assert_allclose(found, expected["logits"], rtol=0, atol=_TOLERANCE)


def test_shards_are_one_checkpoint(torch_model, tmp_path):
  model = torch_model(**_SHAPES["v1_1"])
  whole, sharded = tmp_path / "whole", tmp_path / "sharded"
  model.save_pretrained(whole)
  model.save_pretrained(sharded, max_shard_size="8KB")
  assert len(list(sharded.glob("*.safetensors"))) > 1
  expected, found = load(str(whole)), load(str(sharded))
  assert expected[0] == found[0]
  jax.tree.map(np.testing.assert_array_equal, expected[1], found[1])
  next(iter(sharded.glob("*-00002-*"))).unlink()
  with pytest.raises(InputError, match="model-00002-.*missing"):
    load(str(sharded))


def test_half_precision_files_become_float32(torch_model, tmp_path):
  import torch

  model = torch_model(**_SHAPES["t5"])
  model.to(torch.bfloat16).save_pretrained(tmp_path)
  _, params = load(str(tmp_path))
  assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {
    np.dtype("float32")
  }
  # Every bfloat16 is a float32.
  theirs = model.shared.weight.float().detach().numpy()
  np.testing.assert_array_equal(params["shared"]["embedding"], theirs)


@pytest.fixture
def saved(torch_model, tmp_path) -> pathlib.Path:
  torch_model(**_SHAPES["t5"]).save_pretrained(tmp_path)
  return tmp_path


def edit_config(folder: pathlib.Path, **changes) -> None:
  path = folder / "config.json"
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_all_faults_of_the_tensors_come_at_once(saved):
  from safetensors.numpy import load_file, save_file

  path = saved / "model.safetensors"
  tensors = load_file(path)
  del tensors["encoder.final_layer_norm.weight"]
  del tensors["decoder.block.1.layer.1.EncDecAttention.k.weight"]
  name = "encoder.block.0.layer.1.DenseReluDense.wi.weight"
  tensors[name] = tensors[name][:, :5].copy()
  tensors["adapter.weight"] = np.zeros((2, 3), np.float32)
  save_file(tensors, path)
  with pytest.raises(InputError) as caught:
    load(str(saved))
  message = str(caught.value)
  for part in (
    "missing encoder/final_norm/scale",
    "missing decoder/layers_1/cross_attention/key/kernel",
    f"{name} has shape [5, 24], config.json says [16, 24]",
    "unexpected adapter.weight [2, 3]",
  ):
    assert part in message, message
  # A tensor of another shape is there: it is not missing as well.
  assert "(4 faults)" in message


def test_a_checkpoint_of_another_size_is_refused(saved):
  edit_config(saved, d_model=32)
  with pytest.raises(InputError, match="config.json says"):
    load(str(saved))


def test_a_missing_embedding_is_a_fault_like_any_other(saved, torch_model):
  from safetensors.numpy import load_file, save_file

  path = saved / "model.safetensors"
  tensors = load_file(path)
  tensors["lm_head.weight"] = tensors.pop("shared.weight")
  save_file(tensors, path)
  with pytest.raises(InputError, match="missing shared/embedding"):
    load(str(saved))


def test_a_pickle_is_refused_and_the_conversion_named(saved):
  (saved / "model.safetensors").unlink()
  (saved / "pytorch_model.bin").write_bytes(b"anything")
  with pytest.raises(InputError, match="save_pretrained") as caught:
    load(str(saved))
  assert "pickle" in str(caught.value)


@pytest.mark.parametrize(
  ("name", "content"),
  [
    ("config.json", b"{"),
    ("config.json", b"{}"),
    ("model.safetensors", b""),
    ("model.safetensors", b"\xff" * 40),
    ("flax_model.msgpack", b""),
    ("flax_model.msgpack", b"\xff" * 40),
  ],
)
def test_a_damaged_file_is_named(saved, name, content):
  if name != "config.json":
    (saved / "model.safetensors").unlink()
  (saved / name).write_bytes(content)
  with pytest.raises(InputError, match=name):
    load(str(saved))


def test_a_cut_file_is_named(saved):
  path = saved / "model.safetensors"
  path.write_bytes(path.read_bytes()[:-100])
  with pytest.raises(InputError, match=r"model\.safetensors"):
    load(str(saved))


def test_a_model_that_is_no_t5_is_refused(saved):
  edit_config(saved, model_type="bert")
  with pytest.raises(InputError, match="bert"):
    load(str(saved))


def test_an_empty_directory_says_what_belongs_there(tmp_path):
  with pytest.raises(InputError, match="an empty directory"):
    load(str(tmp_path))


def test_a_directory_with_a_config_alone_says_what_is_missing(saved):
  (saved / "model.safetensors").unlink()
  with pytest.raises(InputError, match=r"expected one of .*model\.safetensors"):
    load(str(saved))


def test_a_name_that_cannot_be_reached_names_the_commands(
  monkeypatch, tmp_path
):
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
  monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
  with pytest.raises(InputError) as caught:
    load("google-t5/t5-base")
  message = str(caught.value)
  for part in ("hf download google-t5/t5-base", "configs/scratch.py", "cache"):
    assert part in message


@pytest.mark.parametrize("path", ["/no/such/directory", "no/such/t5", "no t5"])
def test_a_path_that_is_missing_is_told_and_not_asked_for(path, capsys):
  with pytest.raises(InputError, match=f"found '{path}', which is neither"):
    load(path)
  assert capsys.readouterr().out == ""  # nothing is downloaded


@pytest.mark.parametrize(
  "lacks", [None, "config.json", "model.safetensors", "spiece.model"]
)
def test_a_cached_copy_is_taken_where_it_is_whole(
  saved, tmp_path_factory, monkeypatch, capsys, lacks
):
  """Other programs fetch a T5 without its vocabulary, or without weights."""
  (saved / "spiece.model").write_bytes(b"pieces")
  cached = tmp_path_factory.mktemp("cache") / "snapshot"
  shutil.copytree(saved, cached)
  if lacks:
    (cached / lacks).unlink()

  def download(*_, local_files_only=False, **__):
    return str(cached if local_files_only else saved)

  monkeypatch.setattr("huggingface_hub.snapshot_download", download)
  assert huggingface.locate("t5-small") == (saved if lacks else cached)
  told = "Downloading google-t5/t5-small from" in capsys.readouterr().out
  assert told == (lacks is not None)


def test_half_precision_that_overflows_is_refused(torch_model, tmp_path):
  import torch

  torch_model(**_SHAPES["t5"]).to(torch.float16).save_pretrained(tmp_path)
  with pytest.raises(InputError) as caught:
    load(str(tmp_path))
  message = str(caught.value)
  assert "float16, expected float32 or bfloat16: T5 leaves" in message
  assert "shared.weight" in message


def test_a_pickles_message_holds_the_command_and_the_reason(saved):
  (saved / "model.safetensors").unlink()
  (saved / "pytorch_model.bin").write_bytes(b"anything")
  with pytest.raises(InputError) as caught:
    load(str(saved))
  message = str(caught.value)
  assert "can run any code when it is opened" in message
  assert "AutoModelForSeq2SeqLM as M; M.from_pretrained('DIR')" in message


def test_all_missing_shards_are_named_at_once(torch_model, tmp_path):
  torch_model(**_SHAPES["v1_1"]).save_pretrained(tmp_path, max_shard_size="8KB")
  shards = sorted(tmp_path.glob("model-*.safetensors"))
  assert len(shards) > 2
  for shard in shards[:2]:
    shard.unlink()
  with pytest.raises(InputError) as caught:
    load(str(tmp_path))
  assert all(shard.name in str(caught.value) for shard in shards[:2])


@pytest.mark.parametrize(
  "name",
  ["config.json", "model.safetensors", "model.safetensors.index.json"]
  + ["model-00001-of-00002.safetensors", "flax_model.msgpack"],
)
def test_a_pointer_of_git_lfs_is_named(torch_model, tmp_path, name):
  torch_model(**_SHAPES["t5"]).save_pretrained(tmp_path)
  if name != "config.json":
    (tmp_path / "model.safetensors").unlink()
  if name.startswith("model-"):
    index = {"weight_map": {"shared.weight": name}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
  pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
  (tmp_path / name).write_text(pointer)
  with pytest.raises(InputError, match="Git LFS pointer.*git lfs pull") as e:
    load(str(tmp_path))
  assert name in str(e.value)


@pytest.mark.parametrize(
  "content",
  ["[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "[" * 10**5]
  + ['{"weight_map": {}}', '{"weight_map"'],
)
def test_a_damaged_index_is_one_line(saved, content):
  (saved / "model.safetensors").unlink()
  (saved / "model.safetensors.index.json").write_text(content)
  with pytest.raises(InputError, match=r"model\.safetensors\.index\.json") as e:
    load(str(saved))
  assert "\n" not in str(e.value)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_number_that_is_not_finite_names_its_tensor(saved, number, dtype):
  import ml_dtypes
  from safetensors.numpy import load_file, save_file

  kinds = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}
  name = "decoder.block.1.layer.2.DenseReluDense.wo.weight"
  tensors = load_file(saved / "model.safetensors")
  tensors[name] = tensors[name].astype(kinds[dtype])
  tensors[name][3, 5] = number
  save_file(tensors, saved / "model.safetensors")
  with pytest.raises(InputError, match="NaN or infinity in 1 of 384") as e:
    load(str(saved))
  assert f"in {name} of {saved / 'model.safetensors'}" in str(e.value)
  place_ = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  places = jax.tree.map(
    lambda _: place_,
    huggingface.abstract_params(open_checkpoint(str(saved)).config),
  )
  with pytest.raises(InputError, match=r"layer\.2\.DenseReluDense\.wo"):
    place(str(saved), places)


def test_a_checkpoint_is_checked_before_a_weight_is_read(saved, monkeypatch):
  def refuse(*args):
    raise AssertionError("a weight was read")

  monkeypatch.setattr(tensors, "_read_safetensor", refuse)
  assert open_checkpoint(str(saved)).config.width == 16
  edit_config(saved, d_model=32)
  with pytest.raises(InputError, match="config.json says"):
    open_checkpoint(str(saved))


def test_placed_weights_are_the_loaded_ones(saved):
  from jax.sharding import SingleDeviceSharding

  _, expected = load(str(saved))
  device = SingleDeviceSharding(jax.devices()[1])
  placed = place(str(saved), jax.tree.map(lambda _: device, expected))
  jax.tree.map(np.testing.assert_array_equal, placed, expected)
  assert {leaf.sharding for leaf in jax.tree.leaves(placed)} == {device}


# Shapes and parameters of the published config.json files.
_V1 = {"t5-small": (512, 64, 2048, 8, 6, 60_506_624)}
_V1 |= {"t5-base": (768, 64, 3072, 12, 12, 222_903_552)}
_V1 |= {"t5-large": (1024, 64, 4096, 16, 24, 737_668_096)}
_V1 |= {"t5-3b": (1024, 128, 16384, 32, 24, 2_851_598_336)}
_V1 |= {"t5-11b": (1024, 128, 65536, 128, 24, 11_307_321_344)}
_GATED = {"flan-t5-base": (768, 64, 2048, 12, 12, 247_577_856)}
_GATED |= {"t5-v1_1-small": (512, 64, 1024, 6, 8, 76_961_152)}
_GATED |= {"mt5-small": (512, 64, 1024, 6, 8, 300_176_768)}
_GATED |= {"mt5-base": (768, 64, 2048, 12, 12, 582_401_280)}


@pytest.mark.parametrize("name", [*_V1, *_GATED])
def test_published_sizes_have_their_parameters(name):
  width, head_width, hidden, heads, layers, count = (_V1 | _GATED)[name]
  gated = name in _GATED
  config = T5Config(
    vocab_size=250112 if name.startswith("mt5") else 32128,
    width=width,
    head_width=head_width,
    hidden=hidden,
    heads=heads,
    encoder_layers=layers,
    decoder_layers=layers,
    gated=gated,
    tied=not gated,
    activation="gelu_new" if gated else "relu",
  )
  leaves = jax.tree.leaves(huggingface.abstract_params(config))
  assert sum(leaf.size for leaf in leaves) == count


@pytest.mark.parametrize(
  ("name", "full"),
  [
    ("t5-11b", "google-t5/t5-11b"),
    ("flan-t5-xxl", "google/flan-t5-xxl"),
    ("t5-v1_1-base", "google/t5-v1_1-base"),
    ("mt5-small", "google/mt5-small"),
    ("someone/t5-base", "someone/t5-base"),
    ("t5-huge", "t5-huge"),
  ],
)
def test_known_names_need_no_owner(name, full):
  assert huggingface.full_name(name) == full


_MEASURE = """
import resource, sys, threading, time
import jax
from unimse_jax import pretrained
from unimse_jax.models import T5
def anonymous():
  lines = open("/proc/self/status").read().splitlines()
  return next(int(l.split()[1]) for l in lines if l.startswith("RssAnon"))
checkpoint = pretrained.open_checkpoint(sys.argv[1])
place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
from flax import traverse_util
places = traverse_util.unflatten_dict(
  {path: place for path in checkpoint.tensors}, sep="/")
before, peak, done = anonymous(), 0, False
def watch():
  global peak
  while not done:
    peak = max(peak, anonymous())
    time.sleep(0.002)
thread = threading.Thread(target=watch)
thread.start()
params = pretrained.place(sys.argv[1], places)
done = True
thread.join()
size = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
largest = max(leaf.nbytes for leaf in jax.tree.leaves(params))
print(size, largest, (peak - before) * 1024)
"""


@pytest.mark.slow
def test_loading_holds_no_second_copy(tmp_path):
  """1 GB of float32 in shards; the CPU is the device, so its copy counts."""
  import torch
  from transformers import T5Config as TheirConfig
  from transformers import T5ForConditionalGeneration

  shape = {"vocab_size": 32128, "d_model": 1024, "d_kv": 64, "d_ff": 4096}
  shape |= {"num_layers": 8, "num_decoder_layers": 6, "num_heads": 16}
  model = T5ForConditionalGeneration(TheirConfig(**shape)).to(torch.bfloat16)
  model.save_pretrained(tmp_path, max_shard_size="100MB")
  del model
  root = str(pathlib.Path(__file__).parents[3])
  done = subprocess.run(
    [sys.executable, "-c", _MEASURE, str(tmp_path)],
    capture_output=True,
    text=True,
    check=True,
    cwd=root,
  )
  size, largest, peak = map(int, done.stdout.split())
  print(f"{size / 1e9:.2f} GB, peak {peak / 1e9:.2f} GB")
  assert size > 0.9e9
  # The weights themselves, and of one tensor the file's, the float32 and the
  # device's copy.
  assert peak < size + 3 * largest
