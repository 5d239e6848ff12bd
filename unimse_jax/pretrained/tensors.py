"""The tensors of a checkpoint's files, read one at a time when asked for.

Shapes come from the headers, so that a checkpoint is checked before a weight
is read; and an 11-billion checkpoint is never in memory as a whole.
"""

import contextlib
import dataclasses
import functools
import mmap
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
from flax import serialization, traverse_util

from unimse_jax.errors import InputError
from unimse_jax.files import check_is_no_pointer, read_json
from unimse_jax.pretrained import names

# In the order of transformers, whose torch models read no msgpack by
# themselves: the first that is there is read, and no other.
WEIGHTS = (
  "model.safetensors",
  "model.safetensors.index.json",
  "flax_model.msgpack",
)
# A .bin is a pickle: opening it runs whatever its author put there.
CONVERSION = (
  'python -c "from transformers import AutoModelForSeq2SeqLM as M; '
  "M.from_pretrained('DIR').save_pretrained('OUT')\""
)
_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def _nothing() -> None:
  return None


@dataclasses.dataclass(frozen=True)
class Tensor:
  """One tensor of a file.

  Attributes:
    name: its name in the file.
    file: file that holds it.
    shape: its shape in our orientation: a matrix is [in, out].
    dtype: its type in the file.
    read: gives the array, in our orientation.
    release: forgets the array where the format keeps it.
  """

  name: str
  file: pathlib.Path
  shape: tuple[int, ...]
  dtype: str
  read: Callable[[], np.ndarray]
  release: Callable[[], None] = _nothing


def find(directory: pathlib.Path) -> list[Tensor]:
  """All tensors of a directory's weights.

  Raises:
    InputError: as `files` does, or one of them is damaged.
  """
  tensors = []
  for file in files(directory):
    tensors += (_msgpack if file.suffix == ".msgpack" else _safetensors)(file)
  return tensors


def files(directory: pathlib.Path) -> list[pathlib.Path]:
  """The files that a directory's weights are read from.

  Raises:
    InputError: no weights there, or a file that is missing or a Git LFS
      pointer.
  """
  safetensors, index, msgpack = (directory / name for name in WEIGHTS)
  if safetensors.is_file():
    chosen = [safetensors]
  elif index.is_file():
    chosen = [directory / name for name in _shards(index)]
  elif msgpack.is_file():
    chosen = [msgpack]
  else:
    raise InputError(
      f"T5 weights: expected one of {', '.join(WEIGHTS)} in {directory}, found "
      f"{listing(directory)}.{_advice(directory)}"
    )
  for file in chosen:
    check_is_no_pointer(file)
  return chosen


def _shards(index: pathlib.Path) -> list[str]:
  """Names of the files that an index lists, all of which are there."""
  values = read_json(index)
  weight_map = values.get("weight_map") if isinstance(values, dict) else None
  names = list(weight_map.values()) if isinstance(weight_map, dict) else []
  if not names or not all(isinstance(name, str) for name in names):
    raise InputError(
      f"T5 weights: expected a weight_map from tensors to files in {index}, "
      "found none: fetch it again."
    )
  shards = sorted(set(names))
  missing = [name for name in shards if not (index.parent / name).is_file()]
  if missing:
    raise InputError(
      f"T5 weights: {index} names {', '.join(missing)}, which "
      f"{'is' if len(missing) == 1 else 'are'} missing in {index.parent}."
    )
  return shards


def _advice(directory: pathlib.Path) -> str:
  """What to do where there may be a pickle alone."""
  convert = (
    f"convert it once, where torch is installed, with\n      {CONVERSION}\n"
    "  and put the spiece.model beside it."
  )
  if list(directory.glob("*.bin")):
    return (
      " The .bin file is a pickle, which can run any code when it is opened, "
      f"and is not opened; {convert}"
    )
  return (
    f" Where the publisher has a pytorch_model.bin alone, a pickle, {convert}"
  )


def listing(directory: pathlib.Path) -> str:
  """The first names of a directory, for messages."""
  names = sorted(entry.name for entry in directory.iterdir())
  return ", ".join(names[:8]) or "an empty directory"


@contextlib.contextmanager
def naming(path: pathlib.Path) -> Iterator[None]:
  """Turns what parsers raise for a damaged file into one message."""
  try:
    yield
  except Exception as error:  # each format's parser raises its own kinds
    raise InputError(
      f"T5 weights: expected a readable {path}, found {error or 'none'} "
      f"({type(error).__name__}): the file is damaged or cut. Fetch it again."
    ) from error


def _safetensors(path: pathlib.Path) -> list[Tensor]:
  from safetensors import safe_open

  tensors = []
  with naming(path), safe_open(path, "numpy") as file:
    for name in sorted(file.keys()):
      header = file.get_slice(name)
      turned = _is_matrix(name)
      shape = tuple(header.get_shape())
      dtype = header.get_dtype()
      tensors.append(
        Tensor(
          name,
          path,
          shape[::-1] if turned else shape,
          _DTYPES.get(dtype, dtype),
          functools.partial(_read_safetensor, path, name, turned),
        )
      )
  return tensors


def _read_safetensor(path: pathlib.Path, name: str, turned: bool) -> np.ndarray:
  from safetensors import safe_open

  # Opened for every tensor: what was mapped goes with the file.
  with naming(path), safe_open(path, "numpy") as file:
    tensor = file.get_tensor(name)
  # The torch orientation of a matrix is [out, in]; ours is [in, out].
  return tensor.T if turned else tensor


def _is_matrix(name: str) -> bool:
  ours = names.path(name)
  return ours is not None and ours.endswith("/kernel")


def _msgpack(path: pathlib.Path) -> list[Tensor]:
  """Flax's format has no index: it is parsed as a whole, from the mapped file.

  One copy is in memory at most, and less with every tensor that is released.
  """
  with (
    naming(path),
    path.open("rb") as file,
    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
  ):
    arrays = traverse_util.flatten_dict(
      serialization.msgpack_restore(content), sep="/"
    )
    return [
      Tensor(
        name,
        path,
        tuple(array.shape),
        str(array.dtype),
        functools.partial(arrays.__getitem__, name),
        functools.partial(arrays.__delitem__, name),
      )
      for name, array in arrays.items()
    ]
