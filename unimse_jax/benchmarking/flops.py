"""How many floating point operations the model asks for (not the machine's).

A product of [m, k] and [k, n] is 2 m k n operations; only products count, as
in the usual model FLOPs utilisation: norms, softmax and activations are left
out, and so is whatever a compiler recomputes.
"""

import dataclasses

import numpy as np

from unimse_jax.models.fusion import CROSS_LAYERS
from unimse_jax.models.t5 import T5Config
from unimse_jax.models.unimse import UniMSEConfig

Count = float | np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lengths:
  """Valid (unpadded) lengths of some examples, each int[B] or a number.

  Attributes:
    text: encoder tokens.
    label: decoder tokens.
    frames: modality -> frames.
    batch: rows that the contrastive loss compares an example with.
  """

  text: Count
  label: Count
  frames: dict[str, Count]
  batch: int = 1


def forward_flops(
  config: UniMSEConfig, lengths: Lengths, frame_widths: dict[str, int]
) -> Count:
  """Operations of one teacher-forced forward pass, losses included.

  With s, t, a the text tokens, label tokens and frames of an example, D, I =
  H K, F, V the widths of T5, its attention, its feed-forward and vocabulary,
  n = 2 feed-forward matrices (3 if gated), N = D + the widths of the
  modalities, R the adapter's width, w a modality's, M that of its frames, C
  and k the contrastive projection's width and kernel:

    encoder layer    8 s D I + 4 s^2 I + 2 n s D F
    decoder layer    8 t D I + 4 t^2 I + 2 n t D F   causal half not deducted
      and its cross  4 t D I + 4 s D I + 4 t s I
    logits           2 t D V
    PMF layer        2 s N R + 2 s R E + 2 s E D     Eq. 2: down, up, out; E is
                     N, or D where the residual is the text alone (D1)
    cross attention  2 s D R + 2 s (D + m R) D       text, and out, with m
      in its place   modalities, and for each of them 2 a w R, and twice
                     4 s R^2 + 4 a R^2 + 4 s a R + 16 s R^2   (D6)
    modality         8 a M w + 8 a w^2 + 2 w^2       LSTM (4 gates) and map; in
                     both directions twice that, and states 2 w wide (D8)
    contrastive      2 k s D C a contrasted layer, 2 k a w C a modality (Eq. 3),
                     2 B C a contrasted layer and modality (Eq. 4)

  In the decoder t stands for s.

  Args:
    config: shape of the model.
    lengths: tokens and frames of the examples; B numbers give B results.
    frame_widths: modality -> M.

  Returns:
    Operations for each example, float64.
  """
  total = t5_forward_flops(config.t5, lengths.text, lengths.label)
  total = total + _fusion_flops(config, lengths)
  directions = 2 if config.lstm == "bi" else 1
  for name in config.modalities:
    width = config.modality_width
    frames = _float(lengths.frames[name])
    lstm = 8 * frames * width * (frame_widths[name] + width)
    total = total + directions * (lstm + 2 * width**2)
  return total + _contrastive_flops(config, lengths)


def t5_forward_flops(config: T5Config, text: Count, label: Count) -> Count:
  """The part of `forward_flops` that a plain T5 of this shape needs."""
  s, t = _float(text), _float(label)
  width, inner = config.width, config.heads * config.head_width
  feed_forward = 2 * (3 if config.gated else 2) * width * config.hidden
  encoder = 8 * s * width * inner + 4 * s**2 * inner + feed_forward * s
  decoder = 8 * t * width * inner + 4 * t**2 * inner + feed_forward * t
  cross = 4 * (t + s) * width * inner + 4 * t * s * inner
  return (
    config.encoder_layers * encoder
    + config.decoder_layers * (decoder + cross)
    + 2 * t * width * config.vocab_size
  )


def train_flops(
  config: UniMSEConfig, lengths: Lengths, frame_widths: dict[str, int]
) -> Count:
  """Three times `forward_flops`: backward is two products for each one.

  Counted as if every parameter learnt; a config that freezes some asks for
  less, and its share of peak is then overstated.
  """
  return 3 * forward_flops(config, lengths, frame_widths)


def _state_width(config: UniMSEConfig) -> int:
  """Width of the LSTM states of a modality."""
  return config.modality_width * (2 if config.lstm == "bi" else 1)


def _fusion_flops(config: UniMSEConfig, lengths: Lengths) -> Count:
  if not config.pmf:
    return 0.0
  layers = len(config.fused_layers)
  tokens = layers * _float(lengths.text)
  if config.pmf_decoder:
    tokens = tokens + len(config.fused_decoder_layers) * _float(lengths.label)
    layers += len(config.fused_decoder_layers)
  if config.pmf_place == "cross_attention":
    return _cross_attention_flops(config, lengths, layers, tokens)
  if config.pmf_place not in ("after", "parallel"):
    raise NotImplementedError(f"no count for pmf_place {config.pmf_place!r}")
  width = config.t5.width
  joined = width + len(config.modalities) * config.modality_width
  kept = joined if config.adapter_residual == "concat" else width
  adapter = 2 * (joined + kept) * config.adapter_width + 2 * kept * width
  return adapter * tokens


def _cross_attention_flops(
  config: UniMSEConfig, lengths: Lengths, layers: int, tokens: Count
) -> Count:
  """For `tokens` summed over the `layers` that have it."""
  width, inner = config.t5.width, config.adapter_width
  joined = width + len(config.modalities) * inner
  total = tokens * (2 * width * inner + 2 * joined * width)
  for name in config.modalities:
    frames = _float(lengths.frames[name])
    total = total + 2 * layers * frames * _state_width(config) * inner
    # Query and out, scores and mixing, two matrices of four times the width.
    of_tokens = 4 * inner**2 + 4 * frames * inner + 16 * inner**2
    of_frames = 4 * inner**2  # key and value
    total = total + CROSS_LAYERS * tokens * of_tokens
    total = total + CROSS_LAYERS * layers * frames * of_frames
  return total


def _contrastive_flops(config: UniMSEConfig, lengths: Lengths) -> Count:
  if not config.contrastive:
    return 0.0
  width = config.contrastive_width
  step = 2 * config.contrastive_kernel * width  # of one input unit
  layers = len(config.contrasted(config.fused_layers))
  total = layers * step * config.t5.width * _float(lengths.text)
  if config.contrastive_decoder:
    more = len(config.contrasted(config.fused_decoder_layers))
    total = total + more * step * config.t5.width * _float(lengths.label)
    layers += more
  for name in config.modalities:
    frames = _float(lengths.frames[name])
    total = total + step * _state_width(config) * frames
  return total + 2 * layers * len(config.modalities) * lengths.batch * width


def _float(count: Count) -> Count:
  # Squares of token counts leave int32 for long batches.
  return np.asarray(count, np.float64)
