"""UniMSE in torch, on transformers' T5: the oracle of the parity test.

Written from the paper (Eq. 1 to 5) and, for what configs/authors.py asks, from
the behaviour that fidelity describes. It shares no code with unimse_jax.models;
`torch_paths` says which of its parameters is which of unimse_jax's.
"""

import math
from typing import NamedTuple

import torch
import transformers
from torch import nn
from torch.nn import functional
from torch.nn.utils import rnn

from unimse_jax.models import UniMSEConfig

Batch = dict[str, torch.Tensor]
ACTIVATIONS = {
  "sigmoid": torch.sigmoid,
  "relu": functional.relu,
  "gelu": functional.gelu,
}


class Clip(NamedTuple):
  """One modality of a batch: [B, W], [B, A, W or 2 W], bool[B, A]."""

  name: str
  vector: torch.Tensor
  states: torch.Tensor
  mask: torch.Tensor


class Reader(nn.Module):
  """LSTM over a clip's frames, then a linear map: X^a or X^v."""

  def __init__(
    self, features: int, width: int, bidirectional: bool, dropout: float
  ):
    super().__init__()
    self.lstm = nn.LSTM(
      features, width, batch_first=True, bidirectional=bidirectional
    )
    for name, bias in self.lstm.named_parameters():
      if name.startswith("bias_hh"):
        bias.requires_grad_(False)  # one bias is enough
    self.states_width = width * (1 + bidirectional)
    self.drop = nn.Dropout(dropout)
    self.out = nn.Linear(self.states_width, width)

  def forward(self, frames, mask):
    """[B, A, N], [B, A] -> vector [B, W], states [B, A, W or 2 W]."""
    counts = mask.sum(1)
    read = self._read_both_ways if self.lstm.bidirectional else self._read
    last, states = read(frames, counts)
    vector = torch.where(counts[:, None] > 0, self.out(self.drop(last)), 0.0)
    return vector, states * mask[..., None]

  def _read(self, frames, counts):
    """Padding too: on a CPU several times as fast as packed frames."""
    states, _ = self.lstm(frames)
    rows = torch.arange(len(frames), device=frames.device)
    return states[rows, (counts - 1).clamp(min=0)], states

  def _read_both_ways(self, frames, counts):
    rows = torch.nonzero(counts).flatten()
    last = frames.new_zeros(len(frames), self.states_width)
    states = frames.new_zeros(*frames.shape[:2], self.states_width)
    if len(rows):
      packed = rnn.pack_padded_sequence(
        frames[rows],
        counts[rows].cpu(),  # as it asks for
        batch_first=True,
        enforce_sorted=False,
      )
      found, (ends, _) = self.lstm(packed)
      found, _ = rnn.pad_packed_sequence(
        found, batch_first=True, total_length=frames.shape[1]
      )
      last = last.index_copy(0, rows, torch.cat([*ends], -1))
      states = states.index_copy(0, rows, found)
    return last, states


def unit(x: torch.Tensor) -> torch.Tensor:
  """In units of its own root mean square over the last axis."""
  return functional.rms_norm(x, x.shape[-1:], eps=1e-6)


def rms(x: torch.Tensor) -> torch.Tensor:
  return (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()


class Adapter(nn.Module):
  """Eq. 2."""

  def __init__(self, config: UniMSEConfig):
    super().__init__()
    width = config.t5.width
    joined = width + len(config.modalities) * config.modality_width
    self.concat = config.adapter_residual == "concat"
    self.activate = ACTIVATIONS[config.adapter_activation]
    kept = joined if self.concat else width
    self.down = nn.Linear(joined, config.adapter_width)
    self.up = nn.Linear(config.adapter_width, kept)
    self.out = nn.Linear(kept, width)
    self.parallel = config.pmf_place == "parallel"
    self.stream = config.pmf_units == "stream"
    self.norm = (
      nn.RMSNorm(width, eps=1e-6) if config.adapter_norm else nn.Identity()
    )

  def forward(self, before, hidden, clips):
    """The feed-forward's input and output, [B, S, D] each."""
    vectors = [clip.vector for clip in clips]
    read, text = before if self.parallel else hidden, hidden
    if self.stream:
      read, text = unit(read), unit(text)
      vectors = [unit(vector) for vector in vectors]
    spread = [v[:, None].expand(-1, hidden.shape[1], -1) for v in vectors]
    down = self.down(torch.cat([self.norm(read), *spread], -1))
    kept = torch.cat([text, *spread], -1) if self.concat else text
    mixed = self.up(self.activate(down)) + kept
    if not self.stream:
      return self.out(mixed)
    # `out` is W less the identity on the text.
    whole = self.out(mixed) + mixed[..., : hidden.shape[-1]]
    return hidden + rms(hidden) * (whole - text)


class CrossModalLayer(nn.Module):
  """D6: a pre-norm Transformer layer whose keys are frames."""

  def __init__(self, width: int, heads: int):
    super().__init__()
    self.heads = heads
    self.text_norm = nn.RMSNorm(width, eps=1e-6)
    self.frame_norm = nn.RMSNorm(width, eps=1e-6)
    self.feed_forward_norm = nn.RMSNorm(width, eps=1e-6)
    self.attention = nn.ModuleDict(
      {
        name: nn.Linear(width, width, bias=False)
        for name in ("query", "key", "value", "out")
      }
    )
    self.feed_forward = nn.ModuleDict(
      {
        "wi": nn.Linear(width, 4 * width, bias=False),
        "wo": nn.Linear(4 * width, width, bias=False),
      }
    )

  def forward(self, text, frames, mask):
    def split(x):
      return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    queries = self.attention["query"](self.text_norm(text))
    frames = self.frame_norm(frames)
    # -1e9 and not -inf: a row without frames is left out afterwards.
    bias = hide(mask)[:, None, None]
    mixed = functional.scaled_dot_product_attention(
      split(queries),
      split(self.attention["key"](frames)),
      split(self.attention["value"](frames)),
      attn_mask=bias,
      scale=1.0,  # as T5
    )
    text = text + self.attention["out"](mixed.transpose(1, 2).flatten(-2))
    hidden = self.feed_forward["wi"](self.feed_forward_norm(text)).relu()
    return text + self.feed_forward["wo"](hidden)


class CrossAttention(nn.Module):
  """D6: every token reads the frames of each modality in two such layers."""

  def __init__(self, config: UniMSEConfig):
    super().__init__()
    width, inner = config.t5.width, config.adapter_width
    self.text = nn.Linear(width, inner, bias=False)
    for name in config.modalities:
      states = config.modality_width * (1 + (config.lstm == "bi"))
      self.add_module(name, nn.Linear(states, inner, bias=False))
      for number in range(2):
        layer = CrossModalLayer(inner, config.adapter_heads)
        self.add_module(f"{name}_layers_{number}", layer)
    self.out = nn.Linear(width + len(config.modalities) * inner, width)
    self.stream = config.pmf_units == "stream"

  def forward(self, before, hidden, clips):
    del before
    text = unit(hidden) if self.stream else hidden
    parts = [text]
    for clip in clips:
      frames = getattr(self, clip.name)(clip.states)
      read = self.text(text)
      for number in range(2):
        layer = getattr(self, f"{clip.name}_layers_{number}")
        read = layer(read, frames, clip.mask)
      parts.append(torch.where(clip.mask.any(1)[:, None, None], read, 0.0))
    out = self.out(torch.cat(parts, -1))
    return hidden + rms(hidden) * out if self.stream else out


def hide(seen: torch.Tensor) -> torch.Tensor:
  """What is added to the scores of keys; 0 where they are seen."""
  return torch.where(seen, 0.0, -1e9)


def own_tokens(batch: Batch) -> torch.Tensor:
  """bool[B, S]: the utterance's tokens, or all of a row without any."""
  mask = batch["encoder_mask"]
  own = mask & (batch["segment_ids"] == 1)
  return torch.where(own.any(1, keepdim=True), own, mask)


class UniMSETorch(nn.Module):
  """The model, its losses and every intermediate; without dropout in `eval`."""

  def __init__(self, config: UniMSEConfig, features: dict[str, int]):
    super().__init__()
    t5 = config.t5
    self.config = config
    self.t5 = transformers.T5ForConditionalGeneration(
      transformers.T5Config(
        vocab_size=t5.vocab_size,
        d_model=t5.width,
        d_kv=t5.head_width,
        d_ff=t5.hidden,
        num_heads=t5.heads,
        num_layers=t5.encoder_layers,
        num_decoder_layers=t5.decoder_layers,
        dropout_rate=t5.dropout,
        feed_forward_proj=t5.activation,
      )
    )
    if config.marking == "segments":
      self.segment_embedding = nn.Embedding(2, t5.width)
    self.modality_encoder = nn.ModuleDict(
      {
        name: Reader(
          features[name],
          config.modality_width,
          config.lstm == "bi",
          config.modality_dropout,
        )
        for name in features
      }
    )
    stacks = {}
    if config.pmf:
      stacks["fusion"] = config.fused_layers
      if config.pmf_decoder:
        stacks["fusion_decoder"] = config.fused_decoder_layers
    cross = config.pmf_place == "cross_attention"
    kind = CrossAttention if cross else Adapter
    for stack, layers in stacks.items():
      adapters = {f"layers_{number}": kind(config) for number in layers}
      setattr(self, stack, nn.ModuleDict(adapters))
    self._add_projections()

  def _add_projections(self) -> None:
    config = self.config

    def conv(width: int) -> nn.Conv1d:
      return nn.Conv1d(
        width,
        config.contrastive_width,
        config.contrastive_kernel,
        padding="same",
        bias=False,
      )

    self.contrastive_text = conv(config.t5.width)
    if config.contrastive_decoder:
      self.contrastive_decoder = conv(config.t5.width)
    keys = (
      ("shared",) if config.contrastive_keys == "shared" else config.modalities
    )
    self.contrastive_modality = nn.ModuleDict(
      {
        name: conv(config.modality_width * (1 + (config.lstm == "bi")))
        for name in keys
      }
    )

  def _project(self, conv, states, mask):
    """Eq. 3 and the mean over time."""
    if self.config.contrastive_pooling == "include_padding":
      return conv(states.mT).mT.mean(1)
    kept = mask[..., None].to(states.dtype)
    projected = conv((states * kept).mT).mT * kept
    return projected.sum(1) / kept.sum(1).clamp(min=1)

  def _run_stack(self, stack: str, x, bias, clips, found, **crossed):
    """A T5 stack with PMF after each fused block; its blocks' outputs.

    Block by block and without hooks, so that torch.compile has one graph.
    """
    module = getattr(self.t5, stack)
    name = "fusion" if stack == "encoder" else "fusion_decoder"
    adapters = getattr(self, name, {})
    outputs, self_bias, cross_bias = {}, None, None
    x = module.dropout(x)
    for number, block in enumerate(module.block):
      x, self_bias, _ = block.layer[0](x, bias, self_bias)
      if crossed:
        x, cross_bias, _ = block.layer[1](
          x, position_bias=cross_bias, **crossed
        )
      before, x = x, block.layer[-1](x)
      key = f"layers_{number}"
      if key in adapters:
        x = adapters[key](before, x, clips)
        found[f"{name}_{key}"] = x
      outputs[number] = x
    return module.dropout(module.final_layer_norm(x)), outputs

  def read(self, batch: Batch) -> list[Clip]:
    """Voice and face."""
    config, clips = self.config, []
    real = batch["encoder_mask"].any(1)
    for name in config.modalities:
      mask = batch[f"{name}_mask"]
      if config.absent == "as_zeros":
        mask = mask | (real & ~mask.any(1))[:, None]
      if name in config.zeroed_modalities:
        mask = torch.zeros_like(mask)
      vector, states = self.modality_encoder[name](batch[name], mask)
      clips.append(Clip(name, vector, states, mask))
    return clips

  def _embed(self, batch: Batch) -> torch.Tensor:
    embedded = self.t5.shared(batch["encoder_input_tokens"])
    if self.config.marking != "segments":
      return embedded
    marks = self.segment_embedding(batch["segment_ids"])
    if self.config.segment_units == "table":
      table = self.t5.shared.weight.detach()
      marks = marks * table.square().mean().sqrt()
    return embedded + marks

  def fuse(self, batch: Batch, clips: list[Clip]) -> dict[str, torch.Tensor]:
    """Every intermediate by name, `logits` among them."""
    config, found = self.config, {}
    for clip in clips:
      found[f"vector_{clip.name}"] = clip.vector
      found[f"states_{clip.name}"] = clip.states
      found[f"present_{clip.name}"] = clip.mask.any(1)
    seen = batch["encoder_mask"]
    encoded, text = self._run_stack(
      "encoder", self._embed(batch), hide(seen)[:, None, None], clips, found
    )
    if config.marking == "slice_encoder":
      seen = own_tokens(batch)
    tokens = batch["decoder_input_tokens"]
    causal = torch.ones(*[tokens.shape[1]] * 2, device=tokens.device).tril()
    decoded, labels = self._run_stack(
      "decoder",
      self.t5.shared(tokens),
      hide(causal > 0)[None, None],
      clips,
      found,
      key_value_states=encoded,
      attention_mask=hide(seen)[:, None, None],
    )
    scale = config.t5.width**-0.5
    found["logits"] = decoded @ self.t5.shared.weight.T * scale
    self._contrast(batch, found, text, labels, clips)
    return found

  def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
    return self.fuse(batch, self.read(batch))

  def _contrast(self, batch, found, text, labels, clips) -> None:
    config = self.config
    mask = batch["encoder_mask"]
    if config.contrastive_anchor == "utterance":
      mask = own_tokens(batch)
    sides = [(self.contrastive_text, text, mask)]
    fused = [config.fused_layers]
    if config.contrastive_decoder:
      target = batch["decoder_target_tokens"] > 0
      sides.append((self.contrastive_decoder, labels, target))
      fused.append(config.fused_decoder_layers)
    anchors = []
    for (conv, outputs, mask), layers in zip(sides, fused, strict=True):
      chosen = {
        "pmf": list(layers),
        "last_only": [layers[-1]],
        "pre_block": [layers[-1] - 1],
      }[config.contrastive_layers]
      anchors += [self._project(conv, outputs[n], mask) for n in chosen]
    for number, anchor in enumerate(anchors):
      found[f"anchor_{number}"] = anchor
    for clip in clips:
      key = "shared" if config.contrastive_keys == "shared" else clip.name
      conv = self.contrastive_modality[key]
      found[f"key_{clip.name}"] = self._project(conv, clip.states, clip.mask)


def contrastive_loss(found, name: str, loss) -> torch.Tensor:
  """Eq. 4, row by row as written, over the rows that have the modality."""
  rows = torch.nonzero(found[f"present_{name}"]).flatten()
  keys = found[f"key_{name}"][rows]
  total = torch.zeros(())
  number = 0
  while f"anchor_{number}" in found:
    anchors = found[f"anchor_{number}"][rows]
    other = keys
    if loss.normalize:
      anchors = functional.normalize(anchors, dim=1)
      other = functional.normalize(keys, dim=1)
    for i in range(len(rows)):
      scores = other @ anchors[i] / loss.temperature
      if loss.count_positive_twice:
        scores = torch.cat([scores[i : i + 1], scores])
        total = total + torch.logsumexp(scores, 0) - scores[0]
      else:
        total = total + torch.logsumexp(scores, 0) - scores[i]
    number += 1
  if loss.contrastive_units == "chance":
    total = total / (number * math.log(max(len(rows), 2)))
  return total / max(len(rows), 1)


def losses(found, batch: Batch, loss) -> dict[str, torch.Tensor]:
  """Eq. 5 and its parts."""
  weights = batch["loss_weights"]
  nll = functional.cross_entropy(
    found["logits"].flatten(0, 1),
    batch["decoder_target_tokens"].flatten(),
    reduction="none",
  )
  parts = {"nll": (nll * weights.flatten()).sum() / weights.sum()}
  for name in ("audio", "video"):
    if f"key_{name}" in found:
      parts[f"contrastive_{name}"] = contrastive_loss(found, name, loss)
  parts["loss"] = parts["nll"]
  for name, factor in (("audio", loss.alpha), ("video", loss.beta)):
    if f"key_{name}" in found:
      parts["loss"] = parts["loss"] + factor * parts[f"contrastive_{name}"]
  return parts
