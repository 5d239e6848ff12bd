"""Reads a T5 from a Hugging Face directory or hub name.

A directory holds config.json and model.safetensors (or the shards named by
model.safetensors.index.json) or flax_model.msgpack. All mismatches between the
file and the model are collected and raised once.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from unimse_cli import storage
from unimse_jax.data import tokenizer
from unimse_jax.errors import InputError
from unimse_jax.models import T5, T5Config
from unimse_jax.pretrained import hub, names, t5_config, tensors
from unimse_jax.pretrained.tensors import WEIGHTS, Tensor, listing

_DTYPES = ("float32", "bfloat16")
_TABLE, _HEAD = "shared/embedding", "lm_head/kernel"
# Names that are known without their owner on the hub.
_OWNERS = (
  (r"^t5-(small|base|large|3b|11b)$", "google-t5"),
  (r"^(t5-v1_1|flan-t5|mt5)-(small|base|large|xl|xxl)$", "google"),
)
_HUB_FILES = (*WEIGHTS, "model-*.safetensors", "config.json", "*.model")
_HUB_FILES += ("tokenizer.json", "tokenizer_config.json")
# What a trained UniMSE that was given away has beside its T5.
_UNIMSE = "unimse/config.json"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """A checked T5 checkpoint whose weights have not been read yet.

  Attributes:
    config: shape of the T5.
    tensors: our path -> where it is read.
  """

  config: T5Config
  tensors: dict[str, Tensor]

  def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
    """Path and float32 array of every tensor; to be called once.

    Raises:
      InputError: a file that is damaged, or a number that is not finite.
    """
    for path, tensor in self.tensors.items():
      array = tensor.read().astype(np.float32, copy=False)
      wrong = array.size - np.count_nonzero(np.isfinite(array))
      if wrong:
        raise InputError(
          f"T5 weights: expected finite numbers in {tensor.name} of "
          f"{tensor.file}, found NaN or infinity in {wrong} of {array.size}: "
          "its training diverged or the file is damaged. Take another one."
        )
      yield path, array
      tensor.release()


def open_checkpoint(path_or_hub_name: str) -> Checkpoint:
  """Finds a checkpoint and checks every tensor by the files' headers.

  Args:
    path_or_hub_name: directory or hub name, as for `load`.

  Raises:
    InputError: as `load` does.
  """
  directory = locate(path_or_hub_name)
  values = t5_config.read(directory / "config.json")
  placed, faults = _place(tensors.find(directory))
  config = t5_config.to_t5_config(values, _is_tied(values, placed))
  faults += _layer_faults(config, placed) or _tensor_faults(config, placed)
  if faults:
    raise InputError(
      f"T5 weights in {directory} do not fit its config.json "
      f"({len(faults)} faults):\n  " + "\n  ".join(faults)
    )
  if config.tied:
    placed.pop(_HEAD, None)
  return Checkpoint(config, placed)


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
      are missing, unexpected, of another shape or float16 (all listed), or
      not finite.
  """
  checkpoint = open_checkpoint(path_or_hub_name)
  arrays = dict(checkpoint.arrays())
  return checkpoint.config, traverse_util.unflatten_dict(arrays, sep="/")


def place(path_or_hub_name: str, places: Any) -> Any:
  """Loads a T5 onto devices, with one tensor at a time on the host.

  Args:
    path_or_hub_name: directory or hub name, as for `load`.
    places: shardings in the structure of the parameters that are wanted.

  Returns:
    The parameters as float32 jax arrays.

  Raises:
    InputError: as `load` does.
  """
  flat = traverse_util.flatten_dict(places, sep="/")
  placed = {}
  for path, array in open_checkpoint(path_or_hub_name).arrays():
    if path not in flat:  # a decoder, for a model that only reads
      continue
    # Waits: the host's copy goes before the next one comes.
    placed[path] = jax.block_until_ready(jax.device_put(array, flat[path]))
  return traverse_util.unflatten_dict(placed, sep="/")


def locate(path_or_hub_name: str) -> pathlib.Path:
  """The directory of a checkpoint, downloaded from the hub if need be.

  Raises:
    InputError: it is neither a directory with config.json nor a hub name
      that is in the local cache or can be reached.
  """
  directory = storage.fetch(path_or_hub_name)
  if directory.is_dir():
    if not (directory / "config.json").is_file():
      raise InputError(
        f"T5 weights: expected config.json and one of {', '.join(WEIGHTS)} "
        f"in {directory}, found {listing(directory)}."
      )
    return directory
  return _from_hub(full_name(path_or_hub_name))


def check_source(path_or_hub_name: str) -> None:
  """Checks that a source has the weights of a T5, and is no trained UniMSE.

  Raises:
    InputError: as `locate` does, its weights are not there, or it is a trained
      UniMSE.
  """
  directory = locate(path_or_hub_name)
  tensors.files(directory)
  if (directory / _UNIMSE).is_file():
    raise InputError(
      f"t5.pretrained: expected a T5, found a trained UniMSE in {directory}, "
      "of which the T5 alone would be taken and its fusion dropped. To predict "
      f"with it: python -m unimse_jax.predict --model {directory}. To train on "
      f"from all of it: unimse_jax.train --init_from {directory}. To train on "
      "from its T5 alone, copy the directory without its folder unimse and "
      "name the copy."
    )


def full_name(name: str) -> str:
  """The hub's name of a T5, with its owner."""
  for pattern, owner in _OWNERS:
    if re.match(pattern, name):
      return f"{owner}/{name}"
  return name


def _from_hub(name: str) -> pathlib.Path:
  return hub.snapshot(
    "T5 weights",
    name,
    [*_HUB_FILES, _UNIMSE],
    f"Make it with `hf download {name} --local-dir DIR` on a machine that "
    "reaches the hub and pass --config.t5.pretrained=DIR, or train a small T5 "
    "from random weights with --config configs/scratch.py.",
    is_whole=_is_whole,
  )


def _is_whole(directory: pathlib.Path) -> bool:
  """Whether a copy has a config, weights and a vocabulary that are read."""
  try:
    tensors.files(directory)
    tokenizer.find(str(directory))
  except InputError:
    return False
  return (directory / "config.json").is_file()


def _place(
  tensors: Sequence[Tensor],
) -> tuple[dict[str, Tensor], list[str]]:
  """Our path -> tensor, and what is wrong with their names.

  Of tensors under several names of one place the first is taken, if the
  others are equal.
  """
  placed, faults = {}, []
  for tensor in tensors:
    path = names.path(tensor.name)
    if path is None:
      if not names.is_leftover(tensor.name):
        faults.append(_unexpected(tensor))
    elif path not in placed:
      placed[path] = tensor
    elif not np.array_equal(tensor.read(), placed[path].read()):
      faults.append(
        f"{placed[path].name} and {tensor.name} differ, expected the same: "
        f"both are {path}"
      )
  return placed, faults


def _unexpected(tensor: Tensor) -> str:
  fault = f"unexpected {tensor.name} {list(tensor.shape)}"
  if "lora_" in tensor.name or ".base_layer." in tensor.name:
    fault += ", of a LoRA: save the model after PEFT's merge_and_unload()"
  return fault


def _is_tied(values: dict[str, Any], placed: dict[str, Tensor]) -> bool:
  """Whether the head is the embedding; its flag may say so of any T5."""
  tied = t5_config.says_tied(values)
  if not tied or _HEAD not in placed:
    return tied
  table = placed.get(_TABLE)
  return table is not None and np.array_equal(
    placed[_HEAD].read().T, table.read()
  )


def _layer_faults(config: T5Config, placed: dict[str, Tensor]) -> list[str]:
  """Stacks of another depth than the config's, told by their number alone."""
  faults = []
  for stack in ("encoder", "decoder"):
    expected = getattr(config, f"{stack}_layers")
    layers = {
      path.split("/")[1]
      for path in placed
      if path.startswith(f"{stack}/layers_")
    }
    if len(layers) != expected:
      faults.append(
        f"{len(layers)} layers of the {stack}, config.json says {expected}"
      )
  return faults


def _tensor_faults(config: T5Config, placed: dict[str, Tensor]) -> list[str]:
  """Tensors that the model has and the file has not, or otherwise."""
  expected = {
    path: leaf.shape
    for path, leaf in traverse_util.flatten_dict(
      abstract_params(config), sep="/"
    ).items()
  }
  faults = []
  for path, tensor in placed.items():
    if path == _HEAD and config.tied:
      continue
    if path not in expected:
      faults.append(_unexpected(tensor))
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
  missing = sorted(set(expected) - set(placed))
  return faults + [f"missing {path}" for path in missing]


def abstract_params(config: T5Config) -> dict:
  """Shapes of T5's parameters, without making them."""
  tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  mask = jax.ShapeDtypeStruct((1, 1), jnp.bool_)
  variables = jax.eval_shape(
    T5(config).init, jax.random.key(0), tokens, mask, tokens
  )
  return variables["params"]
