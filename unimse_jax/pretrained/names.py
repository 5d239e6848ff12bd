"""Where each tensor of a Hugging Face T5 stands in our parameter tree."""

import re

# Our path is the left side with these pieces replaced, in order. Hugging Face
# numbers the sub-layers (decoder: 0 self-attention, 1 cross-attention, 2
# feed-forward; encoder: 0 self-attention, 1 feed-forward).
_RULES = (
  # One table: accelerate keeps it under the first of its names alone, and
  # other exporters under all of them.
  (r"^(shared|(encoder|decoder)/embed_tokens)$", "shared/embedding"),
  (r"^lm_head$", "lm_head/kernel"),
  (r"^(encoder|decoder)/final_layer_norm$", r"\1/final_norm/scale"),
  (
    r"^(encoder|decoder)/block/0/layer/0/SelfAttention"
    r"/relative_attention_bias$",
    r"\1/relative_bias/embedding",
  ),
  (
    r"^(encoder|decoder)/block/(\d+)/layer/0/SelfAttention/([qkvo])$",
    r"\1/layers_\2/self_attention/\3/kernel",
  ),
  (
    r"^(encoder|decoder)/block/(\d+)/layer/0/layer_norm$",
    r"\1/layers_\2/self_attention_norm/scale",
  ),
  (
    r"^decoder/block/(\d+)/layer/1/EncDecAttention/([qkvo])$",
    r"decoder/layers_\1/cross_attention/\2/kernel",
  ),
  (
    r"^decoder/block/(\d+)/layer/1/layer_norm$",
    r"decoder/layers_\1/cross_attention_norm/scale",
  ),
  (
    r"^(encoder|decoder)/block/(\d+)/layer/\d/DenseReluDense/(wi|wi_0|wi_1|wo)$",
    r"\1/layers_\2/feed_forward/\3/kernel",
  ),
  (
    r"^encoder/block/(\d+)/layer/1/layer_norm$",
    r"encoder/layers_\1/feed_forward_norm/scale",
  ),
  (
    r"^decoder/block/(\d+)/layer/2/layer_norm$",
    r"decoder/layers_\1/feed_forward_norm/scale",
  ),
)
_ATTENTION = {"q": "query", "k": "key", "v": "value", "o": "out"}
_FEED_FORWARD = ("wi", "wi_0", "wi_1", "wo")
# What DistributedDataParallel, torch.compile, PEFT and models that hold a T5
# write before each name.
_WRAPPERS = ("module", "_orig_mod", "model", "base_model", "transformer")
# Published t5-small to t5-11b have it; the model never did.
_LEFTOVER = "decoder/block/0/layer/1/EncDecAttention/relative_attention_bias"


def is_leftover(name: str) -> bool:
  """Whether the tensor is one that T5 has in files and never used."""
  return _stem(name) == _LEFTOVER


def path(name: str) -> str | None:
  """Our path of a tensor, or None where it belongs to no T5.

  Args:
    name: parts joined by "/" (flax) or "." (torch), e.g.
      `encoder.block.0.layer.0.SelfAttention.q.weight`.

  Returns:
    For example `encoder/layers_0/self_attention/query/kernel`.
  """
  stem = _stem(name)
  for pattern, replacement in _RULES:
    if re.match(pattern, stem):
      ours = re.sub(pattern, replacement, stem)
      return re.sub(
        r"/([qkvo])/kernel$",
        lambda found: f"/{_ATTENTION[found[1]]}/kernel",
        ours,
      )
  return None


def torch_names(encoder_layers: int, decoder_layers: int) -> dict[str, str]:
  """Our path -> name in a torch checkpoint, for all that a T5 may have.

  Made by `path` itself, so that reading and writing cannot disagree.
  """
  attention = [*"qkvo", "relative_attention_bias"]
  blocks = {
    "encoder": (encoder_layers, ("SelfAttention", "DenseReluDense")),
    "decoder": (
      decoder_layers,
      ("SelfAttention", "EncDecAttention", "DenseReluDense"),
    ),
  }
  names = ["shared.weight", "lm_head.weight"]
  for stack, (layers, kinds) in blocks.items():
    names.append(f"{stack}.final_layer_norm.weight")
    for block in range(layers):
      for place, kind in enumerate(kinds):
        stem = f"{stack}.block.{block}.layer.{place}"
        leaves = attention if "Attention" in kind else _FEED_FORWARD
        names.append(f"{stem}.layer_norm.weight")
        names += [f"{stem}.{kind}.{leaf}.weight" for leaf in leaves]
  pairs = ((path(name), name) for name in names)
  return {ours: name for ours, name in pairs if ours is not None}


def _stem(name: str) -> str:
  """The name without wrappers and the leaf's own word (weight, kernel, ...)."""
  parts = name.replace(".", "/").split("/")
  while parts[0] in _WRAPPERS and len(parts) > 1:
    del parts[0]
  return re.sub(r"/(weight|kernel|embedding)$", "", "/".join(parts))
