"""Writes a T5 as a Hugging Face directory that torch transformers loads."""

import base64
import errno
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flax import traverse_util

from unimse_jax.data import sentencepiece_file, tokenizer
from unimse_jax.data.tokenizer import EOS, FILE_NAME, PAD
from unimse_jax.models import T5Config
from unimse_jax.pretrained import names

_SENTINELS = 100  # <extra_id_0> ...: T5's own, after the pieces of its file
_T5_PIECES = 32000


def save(
  directory: pathlib.Path, config: T5Config, params: Any, vocabulary: bytes
) -> None:
  """Writes config.json, model.safetensors and the tokenizer's files.

  Args:
    directory: exists.
    config: shape of the T5.
    params: nested float32 arrays, as `load` gives them; kept bit for bit.
    vocabulary: content of its SentencePiece file.

  Raises:
    ValueError: a parameter that no Hugging Face T5 has.
    OSError: a file cannot be written.
  """
  (directory / FILE_NAME).write_bytes(vocabulary)
  pieces = tokenizer.pieces(directory / FILE_NAME)
  sentinels = _count_sentinels([piece for piece, _ in pieces], config)
  _write_json(directory / "config.json", _config(config))
  _write_json(directory / "tokenizer_config.json", _tokenizer_config(sentinels))
  _write_json(
    directory / "tokenizer.json", _tokenizer(pieces, sentinels, vocabulary)
  )
  _write_tensors(directory / "model.safetensors", config, params)


def save_tensors(
  path: pathlib.Path,
  arrays: Mapping[str, np.ndarray],
  metadata: dict[str, str] | None = None,
) -> None:
  """Writes arrays as one safetensors file, with the rights of any new file.

  Args:
    path: the file; its directory exists.
    arrays: name -> array.
    metadata: texts for the file's header.

  Raises:
    OSError: it cannot be written, as on a full disk.
  """
  from safetensors import SafetensorError
  from safetensors.numpy import save_file

  path.touch()
  rights = path.stat().st_mode
  dense = {name: np.ascontiguousarray(each) for name, each in arrays.items()}
  try:
    save_file(dense, path, metadata=metadata)
  except SafetensorError as error:
    raise OSError(errno.EIO, str(error), str(path)) from error
  # safetensors lets nobody but the owner read what it writes.
  path.chmod(rights)


def _count_sentinels(pieces: Sequence[str], config: T5Config) -> int:
  """How many sentinels follow the pieces: as many as the table has rows for.

  A vocabulary of our own has none, mT5's has them among its pieces.
  """
  own = len(pieces) < _T5_PIECES
  if own or any("<extra_id_" in piece for piece in pieces):
    return 0
  return min(_SENTINELS, config.vocab_size - len(pieces))


def _write_json(path: pathlib.Path, values: dict) -> None:
  path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _write_tensors(path: pathlib.Path, config: T5Config, params: Any) -> None:
  theirs = names.torch_names(config.encoder_layers, config.decoder_layers)
  flat = traverse_util.flatten_dict(params, sep="/")
  strange = sorted(set(flat) - set(theirs))
  if strange:
    raise ValueError(f"No Hugging Face T5 has {', '.join(strange)}.")
  tensors = {}
  for ours, leaf in flat.items():
    tensor = np.asarray(leaf, np.float32)
    # Torch keeps a matrix as [out, in], we as [in, out].
    turned = tensor.T if ours.endswith("/kernel") else tensor
    tensors[theirs[ours]] = turned
  save_tensors(path, tensors, {"format": "pt"})


def _config(config: T5Config) -> dict[str, Any]:
  activation = config.activation
  if config.gated:
    # "gated-gelu" means gelu_new to Hugging Face; the exact one has this name.
    activation = {"gelu_new": "gelu", "gelu": "gelu_python"}.get(
      activation, activation
    )
  return {
    "architectures": ["T5ForConditionalGeneration"],
    "model_type": "t5",
    "vocab_size": config.vocab_size,
    "d_model": config.width,
    "d_kv": config.head_width,
    "d_ff": config.hidden,
    "num_heads": config.heads,
    "num_layers": config.encoder_layers,
    "num_decoder_layers": config.decoder_layers,
    "relative_attention_num_buckets": config.relative_buckets,
    "relative_attention_max_distance": config.relative_max_distance,
    "dropout_rate": config.dropout,
    "layer_norm_epsilon": config.norm_epsilon,
    "feed_forward_proj": ("gated-" if config.gated else "") + activation,
    "is_encoder_decoder": True,
    # transformers 5 reads the first two, 4 the flag of the sharing alone.
    "scale_decoder_outputs": config.scale_logits,
    "tie_word_embeddings": config.tied,
    "pad_token_id": PAD,
    "eos_token_id": EOS,
    "decoder_start_token_id": PAD,
    "dtype": "float32",
  }


def _tokenizer_config(sentinels: int) -> dict[str, Any]:
  return {
    "tokenizer_class": "T5Tokenizer",
    "extra_ids": sentinels,
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
  }


def _tokenizer(
  pieces: Sequence[tuple[str, float]], sentinels: int, vocabulary: bytes
) -> dict[str, Any]:
  """The vocabulary for Hugging Face's Rust tokenizer.

  transformers can make it from spiece.model itself, but only beside a protobuf
  as new as sentencepiece's.
  """
  extra = [f"<extra_id_{number}>" for number in range(sentinels)][::-1]
  vocab = [*pieces, *((name, 0.0) for name in extra)]
  special = {"single_word": False, "lstrip": False, "rstrip": False}
  special |= {"normalized": False, "special": True}
  named = {0: "<pad>", 1: "</s>", 2: "<unk>"}
  named |= {len(pieces) + place: name for place, name in enumerate(extra)}
  space = {"type": "Metaspace", "replacement": sentencepiece_file.WORD_START}
  space |= {"prepend_scheme": "always", "split": True}
  charsmap = sentencepiece_file.normalization(vocabulary)
  normalizer = {"type": "Precompiled"} | {
    "precompiled_charsmap": base64.b64encode(charsmap).decode()
  }
  end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
  text = {"Sequence": {"id": "A", "type_id": 0}}
  return {
    "version": "1.0",
    "added_tokens": [
      {"id": number, "content": name, **special}
      for number, name in named.items()
    ],
    # A vocabulary may take texts as they are; an empty map kills tokenizers.
    "normalizer": normalizer if charsmap else None,
    "pre_tokenizer": {
      "type": "Sequence",
      "pretokenizers": [{"type": "WhitespaceSplit"}, space],
    },
    "post_processor": {
      "type": "TemplateProcessing",
      "single": [text, end],
      "pair": [text, end, {"Sequence": {"id": "B", "type_id": 0}}, end],
      "special_tokens": {
        "</s>": {"id": "</s>", "ids": [EOS], "tokens": ["</s>"]}
      },
    },
    "decoder": space,
    "model": {"type": "Unigram", "unk_id": 2, "vocab": vocab}
    | {"byte_fallback": False},
  }
