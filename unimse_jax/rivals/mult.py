"""MulT: Multimodal Transformer (Tsai et al., ACL 2019)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.attention import Attention
from unimse_jax.rivals.streams import Fused, Stream


def positional_embedding(positions: jax.Array, width: int) -> jax.Array:
  """Section 3.2, PE: sines and cosines of the positions, in turns.

  Args:
    positions: int32[B, F].
    width: length of the result; entries 2 j and 2 j + 1 have the wavelength
      2 pi 10000^(2 j / width).

  Returns:
    float32[B, F, width].
  """
  entry = jnp.arange(width)
  angles = positions[..., None] / 10000.0 ** (entry // 2 * 2 / width)
  return jnp.where(entry % 2, jnp.cos(angles), jnp.sin(angles))


def with_positions(embedded: jax.Array, mask: jax.Array) -> jax.Array:
  """[B, F, W], bool[B, F] -> [B, F, W]; valid places are numbered from 0."""
  positions = jnp.cumsum(mask, axis=1) - 1
  return embedded + positional_embedding(positions, embedded.shape[-1])


def last_valid(states: jax.Array, mask: jax.Array) -> jax.Array:
  """[B, F, W], bool[B, F] -> [B, W]; zeros where nothing is valid."""
  place = mask.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
  last = jnp.take_along_axis(states, place[:, None, None], axis=1)[:, 0]
  return jnp.where(mask.any(axis=1, keepdims=True), last, 0.0)


class TransformerLayer(nn.Module):
  """Section 3.2, crossmodal Transformer, one layer:

    Y = CM(LN(Z), LN(S)) + LN(Z)
    Z' = f(LN(Y)) + LN(Y)

  S is the source's sequence, or Z itself for self-attention; f has one hidden
  layer of ReLUs, four times as wide. The residuals leave from the normed Z and
  Y, as the paper writes; its code has them leave from Z and Y.
  """

  heads: int
  dropout: float

  @nn.compact
  def __call__(
    self,
    target: jax.Array,
    source: jax.Array | None,
    mask: jax.Array,
    deterministic: bool,
  ) -> tuple[jax.Array, None]:
    """Target [B, Q, W] reads source [B, F, W] or, without one, itself.

    Returns:
      [B, Q, W], as `nn.scan` wants the state from layer to layer, and None.
    """
    drop = Dropout(self.dropout)
    norm = nn.LayerNorm(epsilon=1e-5, name="attention_norm")
    width = target.shape[-1]
    target = norm(target)
    source = target if source is None else norm(source)
    read = Attention(self.heads, self.dropout, name="attention")(
      target, source, mask, deterministic
    )
    target = target + drop(read, deterministic)
    target = nn.LayerNorm(epsilon=1e-5, name="hidden_norm")(target)
    hidden = nn.relu(Dense(4 * width, name="hidden")(target))
    hidden = Dense(width, name="out")(drop(hidden, deterministic))
    return target + drop(hidden, deterministic), None


class MulT(nn.Module):
  """Every modality reads every other one; no alignment of their frames.

  T5's states of the words stand in place of GloVe vectors. The last valid
  element of a sequence is read, where the code reads the last of the padded
  one. Not in the paper but in its code, and left out: a mask that hides later
  frames, inputs times sqrt(width), positions added once more before the
  self-attention, a norm after the last layer, and a residual block before the
  head, in whose place is one ReLU layer.

  Attributes:
    layers: number of layers of each Transformer, crossmodal or not.
    heads: number of heads of the attention; 8 or 10 at the paper's width of 40.
    kernel: frames that an element of the temporal convolution sees.
  """

  width: int
  dropout: float
  layers: int = 4
  heads: int = 8
  kernel: int = 3

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    del batch
    starts = {
      name: self._embed(name, stream, deterministic)
      for name, stream in streams.items()
    }
    last = []
    for name, stream in streams.items():
      read = [
        self._transform(
          f"{name}_from_{other}",
          starts[name],
          starts[other],
          streams[other].mask,
          deterministic,
        )
        for other in streams
        if other != name
      ]
      joined = jnp.concatenate(read or [starts[name]], axis=-1)
      states = self._transform(name, joined, None, stream.mask, deterministic)
      last.append(last_valid(states, stream.mask))
    joined = Dropout(self.dropout)(jnp.concatenate(last, -1), deterministic)
    return Fused(nn.relu(Dense(self.width, name="hidden")(joined)))

  def _embed(self, name: str, stream: Stream, deterministic: bool) -> jax.Array:
    """Z^[0] of section 3.2: temporal convolution and positions.

    A word's position is its number among the words of its own utterance.
    """
    frames = jnp.where(stream.mask[..., None], stream.frames, 0.0)
    embedded = nn.Conv(
      self.width, (self.kernel,), use_bias=False, name=f"{name}_convolution"
    )(frames)
    embedded = with_positions(embedded, stream.mask)
    return Dropout(self.dropout)(embedded, deterministic)

  def _transform(
    self,
    name: str,
    target: jax.Array,
    source: jax.Array | None,
    mask: jax.Array,
    deterministic: bool,
  ) -> jax.Array:
    """All layers; without a source the target reads itself.

    One layer is compiled, and its parameters have the layers as first axis.
    """
    layers = nn.scan(
      nn.remat(TransformerLayer, static_argnums=(4,), prevent_cse=False),
      variable_axes={"params": 0},
      split_rngs={"params": True, "dropout": True},
      in_axes=nn.broadcast,
      length=self.layers,
    )(self.heads, self.dropout, name=name)
    return layers(target, source, mask, deterministic)[0]
