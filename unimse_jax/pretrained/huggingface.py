"""Reads a T5 from a Hugging Face directory or hub name.

A directory holds config.json and flax_model.msgpack or model.safetensors (or
the shards named by model.safetensors.index.json). All mismatches between the
file and the model are collected and raised once.
"""

import contextlib
import json
import logging
import pathlib
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import serialization, traverse_util

from unimse_jax.errors import InputError
from unimse_jax.models import T5, T5Config
from unimse_jax.pretrained import names

_WEIGHTS = (
  "flax_model.msgpack",
  "model.safetensors",
  "model.safetensors.index.json",
)
_CONFIG_FIELDS = (
  "vocab_size",
  "d_model",
  "d_kv",
  "d_ff",
  "num_heads",
  "num_layers",
)
_MODEL_TYPES = ("t5", "mt5")
_HUB_FILES = (*_WEIGHTS, "model-*.safetensors", "config.json", "*.model")


def load(path_or_hub_name: str) -> tuple[T5Config, dict]:
  """Loads a T5.

  Args:
    path_or_hub_name: a directory as above, or a name such as
      "google-t5/t5-base", looked up in the local hub cache first.

  Returns:
    (T5Config, params): params is a nested dict of float32 numpy arrays for
    `T5(config).apply({"params": params}, ...)`.

  Raises:
    InputError: nothing there, no readable weights of a T5, or tensors that
      are missing, unexpected or of another shape (all listed).
  """
  directory = locate(path_or_hub_name)
  values = _read_config(directory / "config.json")
  tensors = _read(directory)
  config = _config(values, tensors)
  return config, _arrange(config, tensors, directory)


def locate(path_or_hub_name: str) -> pathlib.Path:
  """The directory of a checkpoint, downloaded from the hub if need be.

  Raises:
    InputError: it is neither a directory with config.json nor a hub name
      that is in the local cache or can be reached.
  """
  directory = pathlib.Path(path_or_hub_name).expanduser()
  if directory.is_dir():
    if not (directory / "config.json").is_file():
      raise InputError(
        f"T5 weights: expected config.json and one of {', '.join(_WEIGHTS)} "
        f"in {directory}, found {_listing(directory)}."
      )
    return directory
  return _from_hub(path_or_hub_name)


def _from_hub(name: str) -> pathlib.Path:
  import huggingface_hub  # takes half a second, and only this needs it

  find = {"allow_patterns": list(_HUB_FILES)}
  try:
    return pathlib.Path(
      huggingface_hub.snapshot_download(name, local_files_only=True, **find)
    )
  except Exception:  # not cached, or not a hub name at all
    logging.getLogger(__name__).info("%s is not in the hub cache.", name)
  try:
    print(f"Downloading {name} from the Hugging Face hub ...", flush=True)
    return pathlib.Path(
      huggingface_hub.snapshot_download(name, etag_timeout=5, **find)
    )
  except Exception as error:  # the hub client raises many kinds
    raise InputError(
      f"T5 weights: {name!r} is not a directory, is not in the hub cache "
      f"({huggingface_hub.constants.HF_HUB_CACHE}) and could not be "
      f"downloaded ({type(error).__name__}). Make it with `hf download {name} "
      "--local-dir DIR` on a machine that reaches the hub and pass "
      "--config.t5.pretrained=DIR, or train a small T5 from random weights "
      "with --config configs/scratch.py."
    ) from error


def _listing(directory: pathlib.Path) -> str:
  found = sorted(entry.name for entry in directory.iterdir())
  return ", ".join(found[:8]) or "an empty directory"


@contextlib.contextmanager
def _naming(path: pathlib.Path) -> Iterator[None]:
  """Turns what parsers raise for a damaged file into one message."""
  try:
    yield
  except Exception as error:  # each format's parser raises its own kinds
    raise InputError(
      f"T5 weights: expected a readable {path}, found {error or 'none'} "
      f"({type(error).__name__}): the file is damaged or cut. Fetch it again."
    ) from error


def _read_config(path: pathlib.Path) -> dict:
  with _naming(path):
    values = json.loads(path.read_text(encoding="utf-8"))
    absent = [name for name in _CONFIG_FIELDS if name not in values]
  kind = values.get("model_type", "t5")
  if kind not in _MODEL_TYPES:
    raise InputError(
      f"T5 weights: expected a model_type of {', '.join(_MODEL_TYPES)} in "
      f"{path}, found {kind!r}."
    )
  if absent:
    raise InputError(
      f"T5 weights: expected {', '.join(_CONFIG_FIELDS)} in {path}, found no "
      f"{', '.join(absent)}."
    )
  return values


def _read(directory: pathlib.Path) -> dict[str, np.ndarray]:
  """All tensors by their name in the file."""
  msgpack = directory / "flax_model.msgpack"
  if msgpack.is_file():
    with _naming(msgpack):
      return traverse_util.flatten_dict(
        serialization.msgpack_restore(msgpack.read_bytes()), sep="/"
      )
  if (directory / "model.safetensors").is_file():
    return _read_safetensors(directory / "model.safetensors")
  index = directory / "model.safetensors.index.json"
  if index.is_file():
    tensors = {}
    with _naming(index):
      weight_map = json.loads(index.read_text())["weight_map"]
    for shard in sorted(set(weight_map.values())):
      tensors |= _read_safetensors(directory / shard)
    return tensors
  advice = ""
  if list(directory.glob("*.bin")):
    advice = (
      " The .bin file is a pickle and is not opened; convert it once with "
      "`T5ForConditionalGeneration.from_pretrained(DIR).save_pretrained(OUT)`."
    )
  raise InputError(
    f"T5 weights: expected one of {', '.join(_WEIGHTS)} in {directory}, found "
    f"{_listing(directory)}.{advice}"
  )


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
  from safetensors.flax import load_file

  if not path.is_file():
    raise InputError(f"T5 weights: the index names {path}, which is missing.")
  with _naming(path):
    tensors = load_file(path)
  # The torch orientation of a matrix is [out, in]; ours is [in, out].
  return {
    name: np.asarray(tensor.T if _is_matrix(name) else tensor)
    for name, tensor in tensors.items()
  }


def _is_matrix(name: str) -> bool:
  ours = names.path(name)
  return ours is not None and ours.endswith("/kernel")


def _config(values: Mapping, tensors: Mapping[str, np.ndarray]) -> T5Config:
  """T5Config of a config.json; the tensors decide what it leaves open."""
  projection = values.get("feed_forward_proj", "relu")
  gated, _, activation = projection.rpartition("-")
  if activation == "gelu_python":
    activation = "gelu"  # the exact one, by its unambiguous name
  elif gated and activation == "gelu":
    activation = "gelu_new"  # what Hugging Face means by gated-gelu
  paths = {names.path(name): name for name in tensors}
  tied = values.get("tie_word_embeddings", True)
  head = paths.get("lm_head/kernel")
  if head is not None and tied:
    # Some exporters tie nothing but leave the flag at its default.
    shared = tensors.get(paths.get("shared/embedding"))
    tied = shared is not None and np.array_equal(tensors[head].T, shared)
  return T5Config(
    vocab_size=values["vocab_size"],
    width=values["d_model"],
    head_width=values["d_kv"],
    hidden=values["d_ff"],
    heads=values["num_heads"],
    encoder_layers=values["num_layers"],
    decoder_layers=values.get("num_decoder_layers") or values["num_layers"],
    relative_buckets=values.get("relative_attention_num_buckets", 32),
    relative_max_distance=values.get("relative_attention_max_distance", 128),
    dropout=values.get("dropout_rate", 0.1),
    norm_epsilon=values.get("layer_norm_epsilon", 1e-6),
    activation=activation,
    gated=gated == "gated",
    tied=tied,
    scale_logits=values.get(
      "scale_decoder_outputs", values.get("tie_word_embeddings", True)
    ),
  )


def _arrange(
  config: T5Config,
  tensors: Mapping[str, np.ndarray],
  directory: pathlib.Path,
) -> dict:
  """Our tree, after checking every tensor against the model."""
  expected = {
    path: leaf.shape
    for path, leaf in traverse_util.flatten_dict(
      abstract_params(config), sep="/"
    ).items()
  }
  found, faults = {}, []
  missing = set(expected) - {names.path(name) for name in tensors}
  for name, tensor in tensors.items():
    path = names.path(name)
    if names.is_copy(name) or (path == "lm_head/kernel" and config.tied):
      continue
    if path not in expected:
      faults.append(f"unexpected {name} {list(tensor.shape)}")
    elif tensor.shape != expected[path]:
      faults.append(
        f"{name} has shape {list(tensor.shape)}, config.json says "
        f"{list(expected[path])}"
      )
    else:
      found[path] = np.asarray(tensor, np.float32)
  faults += [f"missing {path}" for path in sorted(missing)]
  if faults:
    raise InputError(
      f"T5 weights in {directory} do not fit its config.json "
      f"({len(faults)} faults):\n  " + "\n  ".join(faults)
    )
  return traverse_util.unflatten_dict(found, sep="/")


def abstract_params(config: T5Config) -> dict:
  """Shapes of T5's parameters, without making them."""
  tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  mask = jax.ShapeDtypeStruct((1, 1), jnp.bool_)
  variables = jax.eval_shape(
    T5(config).init, jax.random.key(0), tokens, mask, tokens
  )
  return variables["params"]
