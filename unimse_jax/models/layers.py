"""The parts of a T5 layer (Raffel et al. 2020, section 2.1)."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from unimse_jax.models.dense import Dense

ACTIVATIONS = {
  "relu": nn.relu,
  "gelu": lambda x: nn.gelu(x, approximate=False),
  "gelu_new": lambda x: nn.gelu(x, approximate=True),
  "silu": nn.silu,
  "sigmoid": nn.sigmoid,
}


def projection(
  features: int, scale: float, dtype: jnp.dtype, name: str | None = None
) -> Dense:
  """A matrix without bias, initialised N(0, scale) as T5 does."""
  return Dense(
    features,
    use_bias=False,
    dtype=dtype,
    kernel_init=nn.initializers.normal(scale),
    name=name,
  )


def keep_mask(key: jax.Array, keep: float, shape: tuple[int, ...]) -> jax.Array:
  """bool[shape], each True with probability `keep`.

  Each entry is a hash of its place, with a multiplier and an offset that are
  drawn from the key. That costs next to nothing, where jax's generator took
  ten times as long as the product that it is for. No entry needs another one: a
  mesh splits a mask like its array, and the mask is the same on any mesh.
  """
  factor, offset = jax.random.bits(key, (2,), jnp.uint32)
  places, stride = jnp.zeros(shape, jnp.uint32), 1
  for axis in reversed(range(len(shape))):
    along = jax.lax.broadcasted_iota(jnp.uint32, shape, axis)
    places, stride = places + along * np.uint32(stride), stride * shape[axis]
  hashed = places * (factor | 1) + offset
  # Found by search for little bias: github.com/skeeto/hash-prospector.
  for shift, multiplier in ((16, 0x7FEB352D), (15, 0x846CA68B)):
    hashed = (hashed ^ (hashed >> shift)) * np.uint32(multiplier)
  hashed = hashed ^ (hashed >> 16)
  return hashed < np.uint32(min(round(keep * 2**32), 2**32 - 1))


class Dropout(nn.Module):
  """Zeroes entries at `rate` and scales up the others to keep the mean."""

  rate: float

  @nn.compact
  def __call__(self, x: jax.Array, deterministic: bool) -> jax.Array:
    """Any shape and float type; draws from the "dropout" stream."""
    if deterministic or not self.rate:
      return x
    keep = keep_mask(self.make_rng("dropout"), 1 - self.rate, x.shape)
    return jnp.where(keep, x * (1 / (1 - self.rate)), jnp.zeros_like(x))


class Embed(nn.Module):
  """A table of vectors, looked up in float32 and then cast.

  The gradient is summed in float32 too: a token that stands in a batch a
  hundred times would lose bits in bfloat16, and a GPU sums floats many times
  as fast.

  Attributes:
    entries: number of vectors.
    width: numbers of each.
    dtype: type that they are returned in.
  """

  entries: int
  width: int
  dtype: jnp.dtype

  def setup(self) -> None:
    self.embedding = self.param(
      "embedding", nn.initializers.normal(1.0), (self.entries, self.width)
    )

  def __call__(self, tokens: jax.Array) -> jax.Array:
    """int32[...] -> [..., width]."""
    return jnp.take(self.embedding, tokens, axis=0).astype(self.dtype)


class RMSNorm(nn.Module):
  """Scales by the root mean square; no mean, no bias. Computed in float32."""

  epsilon: float
  dtype: jnp.dtype

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
    x = x.astype(jnp.float32)
    variance = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    return (x * jax.lax.rsqrt(variance + self.epsilon) * scale).astype(
      self.dtype
    )


def relative_position_bucket(
  offsets: jax.Array, bidirectional: bool, buckets: int, max_distance: int
) -> jax.Array:
  """Maps key-minus-query offsets to T5's log-spaced buckets.

  Half of the buckets hold one offset each, the other half grow
  logarithmically up to `max_distance`; all farther offsets share the last.

  Args:
    offsets: int32[Q, K], key position minus query position.
    bidirectional: whether later keys have buckets of their own (encoder).
    buckets: number of buckets.
    max_distance: the offset from which on the last bucket is used.

  Returns:
    int32[Q, K] in [0, buckets).
  """
  bucket = jnp.zeros_like(offsets)
  if bidirectional:
    buckets //= 2
    bucket = (offsets > 0).astype(jnp.int32) * buckets
    distance = jnp.abs(offsets)
  else:
    distance = jnp.maximum(-offsets, 0)
  exact = buckets // 2
  # The maximum keeps log away from 0; those entries take the exact branch.
  logarithmic = exact + (
    jnp.log(jnp.maximum(distance, 1).astype(jnp.float32) / exact)
    / math.log(max_distance / exact)
    * (buckets - exact)
  ).astype(jnp.int32)
  logarithmic = jnp.minimum(logarithmic, buckets - 1)
  return bucket + jnp.where(distance < exact, distance, logarithmic)


class RelativeBias(nn.Module):
  """The learnt position bias of one stack, shared by all of its layers."""

  buckets: int
  max_distance: int
  heads: int
  width: int
  bidirectional: bool

  @nn.compact
  def __call__(
    self, query_positions: jax.Array, key_positions: jax.Array
  ) -> jax.Array:
    """int32[Q], int32[K] -> float32[1, H, Q, K].

    Or int32[B, Q], int32[B, K] -> float32[B, H, Q, K].
    """
    embedding = self.param(
      "embedding",
      nn.initializers.normal(self.width**-0.5),
      (self.buckets, self.heads),
    )
    offsets = key_positions[..., None, :] - query_positions[..., None]
    bucket = relative_position_bucket(
      offsets, self.bidirectional, self.buckets, self.max_distance
    )
    bias = jnp.moveaxis(jnp.take(embedding, bucket, axis=0), -1, -3)
    return bias[None] if bias.ndim == 3 else bias


class FeedForward(nn.Module):
  """One hidden layer; gated (v1.1, flan) when `gated`."""

  width: int
  hidden: int
  activation: str
  gated: bool
  dropout: float
  dtype: jnp.dtype

  @nn.compact
  def __call__(self, x: jax.Array, deterministic: bool) -> jax.Array:
    scale = self.width**-0.5
    activate = ACTIVATIONS[self.activation]
    if self.gated:
      gate = projection(self.hidden, scale, self.dtype, "wi_0")(x)
      hidden = activate(gate) * projection(
        self.hidden, scale, self.dtype, "wi_1"
      )(x)
    else:
      hidden = activate(projection(self.hidden, scale, self.dtype, "wi")(x))
    hidden = Dropout(self.dropout)(hidden, deterministic)
    return projection(self.width, self.hidden**-0.5, self.dtype, "wo")(hidden)
