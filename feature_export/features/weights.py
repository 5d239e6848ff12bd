"""Weights files: their hashes, and reading them without running anything.

HSEmotion publishes whole pickled modules of an old timm. Such a file names
classes that the installed timm has no more, and unpickling it the usual way
would run whatever it says. Here every class it names becomes an empty
stand-in, so only the tensors are left.
"""

import zipfile
from pathlib import Path

from feature_export.errors import InputError
from feature_export.features import model_folders
from feature_export.files import check_is_no_pointer, hash_file
from unimse_cli import storage

# Classes of these packages are replaced; anything else is refused by name.
_REPLACED = ("timm.", "torch.nn.", "geffnet.")
# Checkpoints of training scripts keep the state dict under one of these.
_WRAPPERS = ("state_dict", "model", "model_state_dict")


def hash_weights(path: Path) -> str:
  """sha256 of a weights file, or over all that a model folder computes with.

  Raises:
    InputError: a folder without weights.
  """
  if not path.is_dir():
    return hash_file(path)
  return model_folders.hash_folder(
    "Face network", path, "Correct --backbone_weights.", model_folders.SETTINGS
  )


def _stand_ins(path: Path) -> list[tuple[type, str]]:
  """An empty module class for every class that a pickle names.

  Raises:
    InputError: the pickle names something that no network needs.
  """
  import torch

  if not zipfile.is_zipfile(path):
    return []  # PyTorch before 1.6; plain state dicts of that time load
  names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
  foreign = [name for name in names if not name.startswith(_REPLACED)]
  if foreign:
    raise InputError(
      f"{path} is refused: it names {', '.join(foreign)}, and loading it would "
      "run that. Expected tensors, or modules of timm and torch.nn. Get the "
      "file from its publisher, or save its state dict."
    )
  return [
    (type(name.rpartition(".")[2], (torch.nn.Module,), {}), name)
    for name in names
  ]


def _unwrap(content: object, path: Path) -> dict:
  """Takes the state dict out of whatever a file held."""
  import torch

  if isinstance(content, torch.nn.Module):
    content = content.state_dict()
  for name in _WRAPPERS:
    if isinstance(content, dict) and isinstance(content.get(name), dict):
      content = content[name]
  if not isinstance(content, dict):
    raise InputError(f"{path} holds {type(content)}, expected a state dict.")
  # What DataParallel puts before every name.
  return {key.removeprefix("module."): value for key, value in content.items()}


def load_state(path: Path) -> dict:
  """Reads a state dict, or the tensors of a pickled module.

  Raises:
    InputError: damaged, or with anything in it that could run.
  """
  check_is_no_pointer(path)
  path = storage.fetch(str(path))
  if path.suffix == ".safetensors":
    from safetensors.torch import load_file

    return load_file(path)
  import torch

  try:
    with torch.serialization.safe_globals(_stand_ins(path)):
      content = torch.load(path, map_location="cpu", weights_only=True)
  except InputError:
    raise
  except Exception as error:  # pickle, zip and torch raise kinds of their own
    raise InputError(
      f"{path} cannot be read as a state dict or a pickled network: {error}"
    ) from error
  return _unwrap(content, path)
