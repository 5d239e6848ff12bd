"""T5 (Raffel et al. 2020) in the v1.0, v1.1 and flan shapes."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models import masks, remat, vocabulary
from unimse_jax.models.attention import MultiHeadAttention
from unimse_jax.models.layers import (
  Dropout,
  Embed,
  FeedForward,
  RelativeBias,
  RMSNorm,
)
from unimse_jax.models.packing import UNPACKED, Layout

# Keys and values of one layer, each [B, H, S, K].
KeyValue = tuple[jax.Array, jax.Array]
# Texts that share beginnings, as one sequence: int32[Q], the place of each
# token in its text, and bool[Q, Q], whether the first sees the second; [B, Q]
# and [B, Q, Q] where each row has its own.
Tree = tuple[jax.Array, jax.Array]
# (layer number from 0, [B, Q, D] before its feed-forward, after it) -> what
# goes on. This is where PMF sits.
AfterLayer = Callable[[int, jax.Array, jax.Array], jax.Array]


def _pass_on(number: int, before: jax.Array, after: jax.Array) -> jax.Array:
  del number, before
  return after


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5Config:
  """Shape of a T5. Widths in units, rates in [0, 1]."""

  vocab_size: int = 32128
  width: int = 768  # d_model
  head_width: int = 64  # d_kv
  hidden: int = 3072  # d_ff
  heads: int = 12
  encoder_layers: int = 12
  decoder_layers: int = 12
  relative_buckets: int = 32
  relative_max_distance: int = 128  # tokens
  dropout: float = 0.1
  norm_epsilon: float = 1e-6
  activation: str = "relu"
  gated: bool = False
  # v1.0 shares the embedding with the output and scales the logits by
  # width**-0.5; v1.1 and flan do neither. The two are separate facts: newer
  # checkpoints exist that share without scaling.
  tied: bool = True
  scale_logits: bool = True
  dtype: str = "float32"  # of the computation; parameters are float32

  @property
  def compute_dtype(self) -> jnp.dtype:
    return jnp.dtype(self.dtype)


def _attention(config: T5Config) -> MultiHeadAttention:
  return MultiHeadAttention(
    width=config.width,
    heads=config.heads,
    head_width=config.head_width,
    dropout=config.dropout,
    dtype=config.compute_dtype,
  )


def _feed_forward(config: T5Config) -> FeedForward:
  return FeedForward(
    width=config.width,
    hidden=config.hidden,
    activation=config.activation,
    gated=config.gated,
    dropout=config.dropout,
    dtype=config.compute_dtype,
  )


def _norm(config: T5Config) -> RMSNorm:
  return RMSNorm(config.norm_epsilon, config.compute_dtype)


def _relative_bias(config: T5Config, bidirectional: bool) -> RelativeBias:
  return RelativeBias(
    buckets=config.relative_buckets,
    max_distance=config.relative_max_distance,
    heads=config.heads,
    width=config.width,
    bidirectional=bidirectional,
  )


class EncoderLayer(nn.Module):
  """Self-attention and feed-forward, each normed before and added after."""

  config: T5Config

  def setup(self) -> None:
    self.self_attention_norm = _norm(self.config)
    self.self_attention = _attention(self.config)
    self.feed_forward_norm = _norm(self.config)
    self.feed_forward = _feed_forward(self.config)
    self.drop = Dropout(self.config.dropout)

  def __call__(
    self, x: jax.Array, bias: jax.Array, deterministic: bool
  ) -> tuple[jax.Array, jax.Array]:
    """[B, S, D] -> two of [B, S, D], before and after the feed-forward."""
    y = self.self_attention_norm(x)
    y = self.self_attention(
      y, *self.self_attention.project(y), bias, deterministic
    )
    x = x + self.drop(y, deterministic=deterministic)
    y = self.feed_forward(self.feed_forward_norm(x), deterministic)
    return x, x + self.drop(y, deterministic=deterministic)


class DecoderLayer(nn.Module):
  """Like the encoder layer, with attention to the encoded text between."""

  config: T5Config

  def setup(self) -> None:
    self.self_attention_norm = _norm(self.config)
    self.self_attention = _attention(self.config)
    self.cross_attention_norm = _norm(self.config)
    self.cross_attention = _attention(self.config)
    self.feed_forward_norm = _norm(self.config)
    self.feed_forward = _feed_forward(self.config)
    self.drop = Dropout(self.config.dropout)

  def __call__(
    self,
    x: jax.Array,
    self_bias: jax.Array,
    cross: KeyValue,
    cross_bias: jax.Array,
    deterministic: bool,
    cache: KeyValue | None = None,
    index: jax.Array | None = None,
  ) -> tuple[jax.Array, jax.Array, KeyValue]:
    """One layer over [B, Q, D]; with a cache, Q = 1 and `index` its place.

    Returns:
      x before and after the feed-forward, and the layer's keys and values
      (the updated cache).
    """
    y = self.self_attention_norm(x)
    keys, values = self.self_attention.project(y)
    if cache is not None:
      keys, values = (
        jax.lax.dynamic_update_slice_in_dim(old, new, index, axis=2)
        for old, new in zip(cache, (keys, values), strict=True)
      )
    y = self.self_attention(y, keys, values, self_bias, deterministic)
    x = x + self.drop(y, deterministic=deterministic)
    y = self.cross_attention_norm(x)
    y = self.cross_attention(y, *cross, cross_bias, deterministic)
    x = x + self.drop(y, deterministic=deterministic)
    y = self.feed_forward(self.feed_forward_norm(x), deterministic)
    after = x + self.drop(y, deterministic=deterministic)
    return x, after, (keys, values)


class Encoder(nn.Module):
  """The stack that reads the text."""

  config: T5Config
  remat: str = "none"

  def setup(self) -> None:
    config = self.config
    self.relative_bias = _relative_bias(config, bidirectional=True)
    layer = remat.wrap(EncoderLayer, self.remat, flag=3)
    self.layers = [layer(config) for _ in range(config.encoder_layers)]
    self.final_norm = _norm(config)
    self.drop = Dropout(config.dropout)

  def __call__(
    self,
    x: jax.Array,
    mask: jax.Array,
    deterministic: bool,
    after_layer: AfterLayer = _pass_on,
    layout: Layout = UNPACKED,
  ) -> jax.Array:
    """Encodes embedded tokens.

    Args:
      x: [P, R, D] embedded tokens, in the rows of the layout.
      mask: bool[B, S], of the texts.
      deterministic: no dropout.
      after_layer: called after each layer; what it returns goes on.
      layout: where the texts stand in the rows.

    Returns:
      [P, R, D] in the compute type.
    """
    # The tokens of a text stand together: their distances are those of places.
    positions = jnp.arange(x.shape[1])
    bias = self.relative_bias(positions, positions)
    bias = bias + layout.bias(mask)
    x = self.drop(x, deterministic=deterministic)
    for number, layer in enumerate(self.layers):
      x = after_layer(number, *layer(x, bias, deterministic))
    return self.drop(self.final_norm(x), deterministic=deterministic)


class Decoder(nn.Module):
  """The stack that writes the label, whole or token by token."""

  config: T5Config
  remat: str = "none"

  def setup(self) -> None:
    config = self.config
    self.relative_bias = _relative_bias(config, bidirectional=False)
    layer = remat.wrap(DecoderLayer, self.remat, flag=5)
    self.layers = [layer(config) for _ in range(config.decoder_layers)]
    self.final_norm = _norm(config)
    self.drop = Dropout(config.dropout)

  def cross(
    self, encoded: jax.Array, layout: Layout = UNPACKED
  ) -> list[KeyValue]:
    """Keys and values of the encoded rows for every layer, made once.

    Each [B, H, S, K]: the decoder reads one text a row.
    """

    def unpack(projected: jax.Array) -> jax.Array:
      return layout.unpack(projected.swapaxes(1, 2)).swapaxes(1, 2)

    projected = [
      layer.cross_attention.project(encoded) for layer in self.layers
    ]
    return [(unpack(keys), unpack(values)) for keys, values in projected]

  def __call__(
    self,
    x: jax.Array,
    cross: list[KeyValue],
    encoder_mask: jax.Array,
    deterministic: bool,
    cache: list[KeyValue] | None = None,
    index: jax.Array | int = 0,
    tree: Tree | None = None,
    after_layer: AfterLayer = _pass_on,
  ) -> tuple[jax.Array, list[KeyValue]]:
    """Decodes embedded tokens [B, Q, D] that stand at index, index + 1, ...

    Without a cache the tokens see each other; with one (Q = 1) they see the
    cached positions up to `index`. In a tree (no cache) each sees what the
    tree says. `after_layer` as in `Encoder`.
    """
    if tree is not None:
      positions, visible = tree
      self_bias = self.relative_bias(positions, positions)
      self_bias = self_bias + masks.pair_bias(visible)
    else:
      queries = index + jnp.arange(x.shape[1])
      length = x.shape[1] if cache is None else cache[0][0].shape[2]
      keys = jnp.arange(length)
      self_bias = self.relative_bias(queries, keys)
      self_bias = self_bias + masks.causal_bias(queries, keys)
    cross_bias = masks.padding_bias(encoder_mask)
    x = self.drop(x, deterministic=deterministic)
    new_cache = []
    for number, layer in enumerate(self.layers):
      before, after, key_value = layer(
        x,
        self_bias,
        cross[number],
        cross_bias,
        deterministic,
        None if cache is None else cache[number],
        index,
      )
      x = after_layer(number, before, after)
      new_cache.append(key_value)
    return self.drop(self.final_norm(x), deterministic=deterministic), new_cache


class T5(nn.Module):
  """Encoder, decoder and the shared embedding.

  Attributes:
    config: shape.
    remat: what a layer's gradient keeps, as `train.remat`.
  """

  config: T5Config
  remat: str = "none"

  def setup(self) -> None:
    config = self.config
    self.shared = Embed(config.vocab_size, config.width, config.compute_dtype)
    self.encoder = Encoder(config, self.remat)
    self.decoder = Decoder(config, self.remat)
    if not config.tied:
      self.lm_head = nn.Dense(
        config.vocab_size,
        use_bias=False,
        dtype=config.compute_dtype,
        kernel_init=nn.initializers.normal(config.width**-0.5),
        dot_general=_float32_dot,
      )

  def embed(self, tokens: jax.Array) -> jax.Array:
    """int32[B, S] -> [B, S, D]."""
    return self.shared(tokens)

  def logits(self, decoded: jax.Array) -> jax.Array:
    """[B, T, D] -> float32[B, T, V]."""
    if not self.config.tied:
      return self.lm_head(self._scaled(decoded))
    return vocabulary.scores(*self.output(decoded))

  def _scaled(self, decoded: jax.Array) -> jax.Array:
    if not self.config.scale_logits:
      return decoded
    return decoded * (self.config.width**-0.5)

  def output(self, decoded: jax.Array) -> tuple[jax.Array, jax.Array]:
    """[..., D], [V, D]: the products of their rows are the logits.

    For `models.vocabulary`, which makes those that decoding needs.
    """
    table = self.shared.embedding
    if not self.config.tied:
      table = self.lm_head.variables["params"]["kernel"].T
    return self._scaled(decoded), table.astype(self.config.compute_dtype)

  def encode(
    self,
    encoder_input_tokens: jax.Array,
    encoder_mask: jax.Array,
    deterministic: bool = True,
    layout: Layout = UNPACKED,
  ) -> jax.Array:
    """int32[B, S], bool[B, S] -> [P, R, D], the rows of the layout."""
    return self.encoder(
      self.embed(layout.pack(encoder_input_tokens)),
      encoder_mask,
      deterministic,
      layout=layout,
    )

  def decode(
    self,
    decoder_input_tokens: jax.Array,
    encoded: jax.Array,
    encoder_mask: jax.Array,
    deterministic: bool = True,
    after_layer: AfterLayer = _pass_on,
    layout: Layout = UNPACKED,
  ) -> jax.Array:
    """Teacher forcing: int32[B, T] -> float32[B, T, V].

    `encoded` is in the rows of the layout, [P, R, D].
    """
    decoded, _ = self.decoder(
      self.embed(decoder_input_tokens),
      self.decoder.cross(encoded, layout),
      encoder_mask,
      deterministic,
      after_layer=after_layer,
    )
    return self.logits(decoded)

  def start_cache(
    self, encoded: jax.Array, length: int
  ) -> tuple[list[KeyValue], list[KeyValue]]:
    """The empty self-attention cache of `length` tokens, and cross keys."""
    config = self.config
    shape = (encoded.shape[0], config.heads, length, config.head_width)
    empty = jnp.zeros(shape, config.compute_dtype)
    cache = [(empty, empty) for _ in range(config.decoder_layers)]
    return cache, self.decoder.cross(encoded)

  def decode_step(
    self,
    tokens: jax.Array,
    index: jax.Array,
    cache: list[KeyValue],
    cross: list[KeyValue],
    encoder_mask: jax.Array,
    after_layer: AfterLayer = _pass_on,
  ) -> tuple[jax.Array, list[KeyValue]]:
    """One token a row: int32[B] at place `index` -> [B, D], cache.

    `output` reads the first.
    """
    decoded, cache = self.decoder(
      self.embed(tokens[:, None]),
      cross,
      encoder_mask,
      True,
      cache,
      index,
      after_layer=after_layer,
    )
    return decoded[:, 0], cache

  def __call__(
    self,
    encoder_input_tokens: jax.Array,
    encoder_mask: jax.Array,
    decoder_input_tokens: jax.Array,
    deterministic: bool = True,
  ) -> jax.Array:
    """Plain T5.

    Args:
      encoder_input_tokens: int32[B, S].
      encoder_mask: bool[B, S].
      decoder_input_tokens: int32[B, T], the target shifted right (pad first).
      deterministic: False draws dropout from the "dropout" stream.

    Returns:
      float32[B, T, V] logits.
    """
    encoded = self.encode(encoder_input_tokens, encoder_mask, deterministic)
    return self.decode(
      decoder_input_tokens, encoded, encoder_mask, deterministic
    )


def _float32_dot(lhs, rhs, dimension_numbers, **options) -> jax.Array:
  """A matrix product that keeps its float32 sums, for the logits."""
  options["preferred_element_type"] = jnp.float32
  return jax.lax.dot_general(lhs, rhs, dimension_numbers, **options)
