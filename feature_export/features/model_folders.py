"""Folders of models as transformers saves them: where they are, their hash."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from feature_export.errors import InputError
from feature_export.files import check_is_no_pointer
from unimse_cli import storage

# What of a model, besides its weights, decides what it computes.
SETTINGS = ("config.json", "preprocessor_config.json")
# The same of a sentence encoder, in its folder or below: modules, pooling,
# lengths, tokenizers.
_SENTENCE_SETTINGS = ("*.json", "*.txt", "*.model")
# Tensors that stand for what training hides.
_MASKS_IN_TRAINING = ("masked_spec_embed", "mask_token")
_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors", "*.bin")


def find_folder(what: str, name: str, expected: str, advice: str) -> Path:
  """The folder of a model; a hub name is fetched, which is said.

  Args:
    what: kind of model, for messages.
    name: folder, on a disk or in a bucket, or name on the Hugging Face hub.
    expected: what may be given.
    advice: what to do where it cannot be had.

  Raises:
    InputError: no folder, and the hub does not have it.
  """
  folder = storage.fetch(name)
  if folder.is_dir():
    return folder
  from huggingface_hub import snapshot_download
  from huggingface_hub.errors import HFValidationError

  print(f"{what} {name}: not a folder, looking on the hub")
  try:
    return Path(snapshot_download(name, allow_patterns=list(_PATTERNS)))
  # The hub's client raises its own, httpx's and the system's errors.
  except (HFValidationError, OSError, RuntimeError, ValueError) as error:
    raise InputError(
      f"{what} {name!r}: expected {expected}; found none of them: {error}\n"
      f"{advice}"
    ) from error


def hash_folder(
  what: str, folder: Path, advice: str, others: Sequence[str] = ()
) -> str:
  """sha256 over the weights of a model, in the order of their names.

  Args:
    what: kind of model, for messages.
    folder: the model's.
    advice: what to do where it has no weights.
    others: names of further files that count, where they are there.

  Raises:
    InputError: no weights in it.
  """
  weights = sorted(folder.rglob("*.safetensors"))
  weights = weights or sorted(folder.rglob("pytorch_model*.bin"))
  if not weights:
    raise InputError(
      f"{what} {folder}: expected *.safetensors or pytorch_model*.bin, found "
      f"neither. {advice}"
    )
  digest = hashlib.sha256()
  for file in (*weights, *(folder / name for name in others)):
    if file.is_file():
      check_is_no_pointer(file)
      with file.open("rb") as stream:
        digest.update(hashlib.file_digest(stream, "sha256").digest())
  return digest.hexdigest()


def hash_settings(folder: Path, weights: str) -> str:
  """sha256 over a sentence encoder's weights and all of its settings.

  Args:
    folder: the model's.
    weights: sha256 of its weights, from `hash_folder`.
  """
  files = {
    file.relative_to(folder).as_posix(): file
    for pattern in _SENTENCE_SETTINGS
    for file in folder.rglob(pattern)
    if file.is_file()
  }
  digest = hashlib.sha256(bytes.fromhex(weights))
  for name, file in sorted(files.items()):
    check_is_no_pointer(file)
    # A file of the same content means another thing in another place.
    digest.update(hashlib.sha256(name.encode("utf-8")).digest())
    digest.update(hashlib.sha256(file.read_bytes()).digest())
  return digest.hexdigest()


def check_complete(
  what: str, missing: Iterable[str], expected: str, advice: str
) -> None:
  """Refuses a model of which transformers has drawn a part at random.

  Args:
    what: the model, for the message.
    missing: names of the tensors that its weights lack.
    expected: what its weights should be those of.
    advice: what to do.

  Raises:
    InputError: some of them are used outside training.
  """
  lacking = sorted(
    name for name in missing if not name.endswith(_MASKS_IN_TRAINING)
  )
  if lacking:
    raise InputError(
      f"{what}: expected {expected}, found none for "
      f"{', '.join(lacking[:5])} ({len(lacking)} tensors). {advice}"
    )
