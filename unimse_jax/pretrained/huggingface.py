"""Reads a T5 from a Hugging Face directory or hub name.

A directory holds config.json and flax_model.msgpack or model.safetensors (or
the shards named by model.safetensors.index.json). All mismatches between the
file and the model are collected and raised once.
"""

import dataclasses
import json
import logging
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from unimse_jax.errors import InputError
from unimse_jax.models import T5, T5Config
from unimse_jax.pretrained import names, tensors
from unimse_jax.pretrained.tensors import WEIGHTS, Tensor, listing, naming

_CONFIG_FIELDS = (
  "vocab_size",
  "d_model",
  "d_kv",
  "d_ff",
  "num_heads",
  "num_layers",
)
_MODEL_TYPES = ("t5", "mt5")
_DTYPES = ("float32", "bfloat16")
# Names that are known without their owner on the hub.
_OWNERS = (
  (r"^t5-(small|base|large|3b|11b)$", "google-t5"),
  (r"^(t5-v1_1|flan-t5|mt5)-(small|base|large|xl|xxl)$", "google"),
)
_HUB_FILES = (*WEIGHTS, "model-*.safetensors", "config.json", "*.model")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """A checked T5 checkpoint whose weights have not been read yet.

  Attributes:
    config: its shape.
    tensors: our path -> where it is read.
  """

  config: T5Config
  tensors: dict[str, Tensor]

  def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
    """Path and float32 array of every tensor; to be called once."""
    for path, tensor in self.tensors.items():
      yield path, tensor.read().astype(np.float32, copy=False)
      tensor.release()


def open_checkpoint(path_or_hub_name: str) -> Checkpoint:
  """Finds a checkpoint and checks every tensor by the files' headers.

  Args:
    path_or_hub_name: as for `load`.

  Raises:
    InputError: as `load` does.
  """
  directory = locate(path_or_hub_name)
  values = _read_config(directory / "config.json")
  found = tensors.find(directory)
  config = _config(values, found)
  return Checkpoint(config, _assign(config, found, directory))


def load(path_or_hub_name: str) -> tuple[T5Config, dict]:
  """Loads a T5 into the host's memory.

  Args:
    path_or_hub_name: a directory as above, or a name such as
      "google-t5/t5-base", looked up in the local hub cache first; "t5-base",
      "t5-v1_1-base", "flan-t5-base" and "mt5-base" need no owner.

  Returns:
    (T5Config, params): params is a nested dict of float32 numpy arrays for
    `T5(config).apply({"params": params}, ...)`.

  Raises:
    InputError: nothing there, no readable weights of a T5, or tensors that
      are missing, unexpected, of another shape or float16 (all listed).
  """
  checkpoint = open_checkpoint(path_or_hub_name)
  arrays = dict(checkpoint.arrays())
  return checkpoint.config, traverse_util.unflatten_dict(arrays, sep="/")


def place(path_or_hub_name: str, places: Any) -> Any:
  """Loads a T5 onto devices, with one tensor at a time on the host.

  Args:
    path_or_hub_name: as for `load`.
    places: shardings in the structure of the parameters.

  Returns:
    The parameters as float32 jax arrays.

  Raises:
    InputError: as `load` does.
  """
  flat = traverse_util.flatten_dict(places, sep="/")
  placed = {}
  for path, array in open_checkpoint(path_or_hub_name).arrays():
    # Waits: the host's copy goes before the next one comes.
    placed[path] = jax.block_until_ready(jax.device_put(array, flat[path]))
  return traverse_util.unflatten_dict(placed, sep="/")


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
        f"T5 weights: expected config.json and one of {', '.join(WEIGHTS)} "
        f"in {directory}, found {listing(directory)}."
      )
    return directory
  return _from_hub(full_name(path_or_hub_name))


def full_name(name: str) -> str:
  """The hub's name of a T5, with its owner."""
  for pattern, owner in _OWNERS:
    if re.match(pattern, name):
      return f"{owner}/{name}"
  return name


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


def _read_config(path: pathlib.Path) -> dict:
  with naming(path):
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


def _config(values: Mapping, found: Sequence[Tensor]) -> T5Config:
  """T5Config of a config.json; the tensors decide what it leaves open."""
  projection = values.get("feed_forward_proj", "relu")
  gated, _, activation = projection.rpartition("-")
  if activation == "gelu_python":
    activation = "gelu"  # the exact one, by its unambiguous name
  elif gated and activation == "gelu":
    activation = "gelu_new"  # what Hugging Face means by gated-gelu
  paths = {names.path(tensor.name): tensor for tensor in found}
  tied = values.get("tie_word_embeddings", True)
  head = paths.get("lm_head/kernel")
  if head is not None and tied:
    # Some exporters tie nothing but leave the flag at its default.
    shared = paths.get("shared/embedding")
    tied = shared is not None and np.array_equal(head.read().T, shared.read())
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


def _assign(
  config: T5Config, found: Sequence[Tensor], directory: pathlib.Path
) -> dict[str, Tensor]:
  """Our path -> tensor, after checking every tensor against the model."""
  expected = {
    path: leaf.shape
    for path, leaf in traverse_util.flatten_dict(
      abstract_params(config), sep="/"
    ).items()
  }
  assigned, faults = {}, []
  missing = set(expected) - {names.path(tensor.name) for tensor in found}
  for tensor in found:
    path = names.path(tensor.name)
    if names.is_copy(tensor.name) or (path == "lm_head/kernel" and config.tied):
      continue
    if path not in expected:
      faults.append(f"unexpected {tensor.name} {list(tensor.shape)}")
    elif tensor.shape != expected[path]:
      faults.append(
        f"{tensor.name} has shape {list(tensor.shape)}, config.json says "
        f"{list(expected[path])}"
      )
    elif tensor.dtype not in _DTYPES:
      faults.append(
        f"{tensor.name} is {tensor.dtype}, expected {' or '.join(_DTYPES)}"
        + (": T5 leaves the range of float16" * (tensor.dtype == "float16"))
      )
    else:
      assigned[path] = tensor
  faults += [f"missing {path}" for path in sorted(missing)]
  if faults:
    raise InputError(
      f"T5 weights in {directory} do not fit its config.json "
      f"({len(faults)} faults):\n  " + "\n  ".join(faults)
    )
  return assigned


def abstract_params(config: T5Config) -> dict:
  """Shapes of T5's parameters, without making them."""
  tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  mask = jax.ShapeDtypeStruct((1, 1), jnp.bool_)
  variables = jax.eval_shape(
    T5(config).init, jax.random.key(0), tokens, mask, tokens
  )
  return variables["params"]
