"""Pre-trained modality fusion, PMF (section 3.3, Eq. 2)."""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct

from unimse_jax.models import masks, signal
from unimse_jax.models.attention import MultiHeadAttention
from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import ACTIVATIONS, FeedForward, RMSNorm
from unimse_jax.models.packing import UNPACKED, Layout

_EPSILON = 1e-6  # of the norms, as T5's
CROSS_LAYERS = 2  # of a cross-modal Transformer, as in the authors' code


@struct.dataclass
class Modality:
  """One modality of a batch, as the fusion reads it.

  Attributes:
    vector: float32[B, N], X^a or X^v; zeros where absent.
    states: float32[B, A, M], the LSTM's.
    mask: bool[B, A].
  """

  vector: jax.Array
  states: jax.Array
  mask: jax.Array


def _identity_then(deviation: float) -> nn.initializers.Initializer:
  """Passes the first block (the text) through; the rest is N(0, deviation)."""

  def init(key, shape, dtype=jnp.float32) -> jax.Array:
    noise = deviation * jax.random.normal(key, shape, dtype)
    return jnp.where(
      jnp.arange(shape[0])[:, None] < shape[1], jnp.eye(*shape), noise
    ).astype(dtype)

  return init


def _uniform(inputs: int) -> nn.initializers.Initializer:
  """What torch.nn.Linear starts with, kernel and bias alike."""

  def init(key, shape, dtype=jnp.float32) -> jax.Array:
    limit = inputs**-0.5
    return jax.random.uniform(key, shape, dtype, -limit, limit)

  return init


def _out(
  kind: str, inputs: int, width: int, dtype: jnp.dtype
) -> Callable[[jax.Array], jax.Array]:
  """W of Eq. 2, with bias: maps the concatenation back to T5's width.

  Args:
    kind: start of W (D2): "identity" passes the text through, so does
      "near_identity" with N(0, 1e-3) for the modalities, "authors_random" is
      torch's default.
    inputs: width of the concatenation.
    width: D.
    dtype: type of the computation.
  """
  if kind == "authors_random":
    kernel, bias = _uniform(inputs), _uniform(inputs)
  else:
    kernel = _identity_then(1e-3 if kind == "near_identity" else 0.0)
    bias = nn.initializers.zeros
  return Dense(
    width, dtype=dtype, kernel_init=kernel, bias_init=bias, name="out"
  )


def _difference(kind: str, width: int, dtype: jnp.dtype) -> Dense:
  """W of Eq. 2 less the identity on the text, with bias.

  Args:
    kind: start of W (D2): "identity" or "near_identity", as in `_out`.
    width: D.
    dtype: type of the computation.
  """

  def near(key, shape, dtype=jnp.float32) -> jax.Array:
    noise = 1e-3 * jax.random.normal(key, shape, dtype)
    return jnp.where(jnp.arange(shape[0])[:, None] < shape[1], 0.0, noise)

  kernel = near if kind == "near_identity" else nn.initializers.zeros
  return Dense(width, dtype=dtype, kernel_init=kernel, name="out")


def _rms(x: jax.Array) -> jax.Array:
  """float32[..., 1], the root mean square over the last axis; never zero."""
  squares = jnp.square(x.astype(jnp.float32))
  return jnp.sqrt(jnp.mean(squares, axis=-1, keepdims=True) + _EPSILON)


def _unit(x: jax.Array) -> jax.Array:
  """float32, of root mean square one; zeros stay zeros."""
  return x.astype(jnp.float32) / _rms(x)


def _changed(hidden: jax.Array, change: jax.Array) -> jax.Array:
  """A stream and what is added to it, which is given in units of its RMS."""
  scaled = _rms(hidden) * change.astype(jnp.float32)
  return hidden + scaled.astype(hidden.dtype)


def _spread(
  vectors: Sequence[jax.Array],
  hidden: jax.Array,
  dtype: jnp.dtype,
  layout: Layout,
) -> list[jax.Array]:
  """Each [B, N] for every token: [P, R, N] beside hidden [P, R, D]."""
  length = layout.length(hidden)
  return [
    layout.pack(
      jnp.broadcast_to(
        vector[:, None, :].astype(dtype),
        (len(vector), length, vector.shape[-1]),
      )
    )
    for vector in vectors
  ]


class PMFAdapter(nn.Module):
  """Mixes the voice and the face into every token of one layer.

  Eq. 2 with F = [F^(j-1); X^a; X^v]:

    F^d = sigmoid(W^d F + b^d)     F^u = W^u F^d + b^u
    F^(j) = W (F^u + F) + b

  The sum is with the whole concatenation: the only reading where the paper's
  "maps the concatenation's size back" and its Eq. 2 both hold. With the
  residual "text" (D1) it is with F^(j-1) alone, and W^u maps to its width. W
  starts as the identity on the text and W^u as zeros, so that a freshly added
  adapter leaves T5 as it is; D2 has other starts.

  With the units "stream" (D44) the equation holds in units of the text: F^(j-1)
  is divided by the root mean square r of its token, X^a and X^v by their own,
  and the result is multiplied by r. The adapter then does the same to a T5
  whose residual stream has an RMS of 1 or of 100, as pretrained ones have. W is
  kept as its difference from the identity on the text: weight decay pulls to
  the identity, and bfloat16 does not round small differences away.
  """

  width: int
  dtype: jnp.dtype
  activation: str = "sigmoid"
  residual: str = "concat"
  init_kind: str = "identity"
  norm: bool = False  # of the text before W^d; T5's residual stream has none
  units: str = "none"
  parallel: bool = False  # W^d reads the feed-forward's input (D6)

  @nn.compact
  def __call__(
    self,
    before: jax.Array,
    after: jax.Array,
    modalities: Mapping[str, Modality],
    layout: Layout = UNPACKED,
  ) -> jax.Array:
    """Fuses.

    Args:
      before: [P, R, D], the input of the layer's feed-forward.
      after: [P, R, D], its output, into which the modalities go.
      modalities: by name, of the texts; their vectors are read, the same for
        every token.
      layout: where the texts stand in the rows.

    Returns:
      [P, R, D].
    """
    text, read = after, before if self.parallel else after
    vectors = [modality.vector for modality in modalities.values()]
    if self.units == "stream":
      text, read = _unit(text).astype(self.dtype), _unit(read)
      vectors = [_unit(vector) for vector in vectors]
    spread = _spread(vectors, after, self.dtype, layout)
    read = read.astype(self.dtype)
    if self.norm:
      read = RMSNorm(_EPSILON, self.dtype, name="norm")(read)
    kept = text
    if self.residual == "concat":
      kept = jnp.concatenate([text, *spread], axis=-1)
    down = Dense(
      self.width,
      dtype=self.dtype,
      kernel_init=nn.initializers.normal(1e-3),
      name="down",
    )(jnp.concatenate([read, *spread], axis=-1))
    activate = ACTIVATIONS[self.activation]
    signal.sow_saturation(self, activate, down, layout)
    random = self.init_kind == "authors_random"
    up = Dense(
      kept.shape[-1],
      dtype=self.dtype,
      kernel_init=nn.initializers.normal(1e-3 if random else 0.0),
      name="up",
    )(activate(down))
    width = after.shape[-1]
    if self.units == "none":
      return _out(self.init_kind, kept.shape[-1], width, self.dtype)(kept + up)
    change = _difference(self.init_kind, width, self.dtype)(kept + up)
    return _changed(after, change + up[..., :width])


class CrossModalLayer(nn.Module):
  """Tokens attend to frames; a Transformer layer in T5's pre-norm form."""

  width: int
  heads: int
  dtype: jnp.dtype

  def setup(self) -> None:
    self.text_norm = RMSNorm(_EPSILON, self.dtype)
    self.frame_norm = RMSNorm(_EPSILON, self.dtype)
    self.attention = MultiHeadAttention(
      width=self.width,
      heads=self.heads,
      head_width=self.width // self.heads,
      dropout=0.0,
      dtype=self.dtype,
    )
    self.feed_forward_norm = RMSNorm(_EPSILON, self.dtype)
    self.feed_forward = FeedForward(
      width=self.width,
      hidden=4 * self.width,
      activation="relu",
      gated=False,
      dropout=0.0,
      dtype=self.dtype,
    )

  def __call__(
    self, text: jax.Array, frames: jax.Array, bias: jax.Array
  ) -> jax.Array:
    """[B, S, R], [B, A, R], float32[B, 1, 1, A] -> [B, S, R]."""
    keys, values = self.attention.project(self.frame_norm(frames))
    text = text + self.attention(self.text_norm(text), keys, values, bias, True)
    return text + self.feed_forward(self.feed_forward_norm(text), True)


class CrossAttentionFusion(nn.Module):
  """D6 `cross_attention`: every token looks for its own frames.

  Text and each modality's LSTM states are projected to one small width (a
  Conv1D of kernel 1); two layers of a Transformer of its own let the tokens
  read each modality; W maps the text and what was read back to T5's width.
  """

  width: int
  dtype: jnp.dtype
  heads: int
  init_kind: str = "identity"
  units: str = "none"  # as of `PMFAdapter`

  @nn.compact
  def __call__(
    self,
    before: jax.Array,
    after: jax.Array,
    modalities: Mapping[str, Modality],
    layout: Layout = UNPACKED,
  ) -> jax.Array:
    """Fuses; takes and returns what `PMFAdapter` does.

    The frames are read, not the vectors; an absent modality as zeros. A text
    meets its own frames alone, so here the texts are unpacked.
    """
    del before

    def project(name: str, x: jax.Array) -> jax.Array:
      dense = Dense(self.width, use_bias=False, dtype=self.dtype, name=name)
      return dense(x.astype(self.dtype))

    stream = self.units == "stream"
    unit = _unit(after) if stream else after
    text = layout.unpack(project("text", unit))
    parts = [unit.astype(self.dtype)]
    for name, modality in modalities.items():
      frames = project(name, modality.states)
      bias = masks.padding_bias(modality.mask)
      read = text
      for number in range(CROSS_LAYERS):
        layer = CrossModalLayer(
          self.width, self.heads, self.dtype, name=f"{name}_layers_{number}"
        )
        read = layer(read, frames, bias)
      present = modality.mask.any(1)[:, None, None]
      read = jnp.where(present, read, jnp.zeros_like(read))
      parts.append(layout.pack(read))
    joined = jnp.concatenate(parts, axis=-1)
    width = after.shape[-1]
    if stream:
      change = _difference(self.init_kind, width, self.dtype)(joined)
      return _changed(after, change)
    return _out(self.init_kind, joined.shape[-1], width, self.dtype)(joined)
