"""Which tokens and frames count, and attention masks as additive biases."""

import jax
import jax.numpy as jnp

# Far below any T5 logit, and finite in bfloat16: a row without any valid key
# then softmaxes to a uniform row instead of NaN.
NEGATIVE = -1e9


def frame_mask(
  batch: dict[str, jax.Array], modality: str, absent_as_zeros: bool
) -> jax.Array:
  """bool[B, A], the frames of a modality that count.

  With `absent_as_zeros` (D16, as the authors' code) a text without the
  modality has it after all: as many frames of zeros as the batch is padded to.
  """
  mask = batch[f"{modality}_mask"]
  if not absent_as_zeros:
    return mask
  absent = batch["encoder_mask"].any(1) & ~mask.any(1)
  return mask | absent[:, None]


def own_tokens(batch: dict[str, jax.Array]) -> jax.Array:
  """bool[B, S]: the tokens of the utterance itself, without its context.

  A row without any has all of its tokens instead: a softmax or a mean over
  nothing would be one over the padding.
  """
  mask = batch["encoder_mask"]
  own = mask & (batch["segment_ids"] == 1)
  return jnp.where(own.any(axis=1, keepdims=True), own, mask)


def mean(values: jax.Array, mask: jax.Array) -> jax.Array:
  """Mean over the steps that count.

  Args:
    values: [B, S, D], float.
    mask: bool[B, S].

  Returns:
    float32[B, D], zeros for a row without any.
  """
  weights = mask[..., None].astype(jnp.float32)
  total = (values.astype(jnp.float32) * weights).sum(axis=1)
  return total / jnp.maximum(weights.sum(axis=1), 1.0)


def padding_bias(mask: jax.Array) -> jax.Array:
  """Hides padded keys from every query.

  Args:
    mask: bool[B, S], True at real tokens.

  Returns:
    float32[B, 1, 1, S], 0 where a key may be seen and -1e9 where not:
    [[True, False]] becomes [[[[0, -1e9]]]].
  """
  return jnp.where(mask, 0.0, NEGATIVE).astype(jnp.float32)[:, None, None, :]


def pair_bias(visible: jax.Array) -> jax.Array:
  """bool[..., Q, K], whether a query sees a key -> float32[..., 1, Q, K]."""
  bias = jnp.where(visible, 0.0, NEGATIVE).astype(jnp.float32)
  return bias[..., None, :, :]


def causal_bias(
  query_positions: jax.Array, key_positions: jax.Array
) -> jax.Array:
  """Hides later keys from earlier queries.

  For positions 0, 1, 2 on both sides the visible pairs are

      key 0  1  2
    q 0:  x
    q 1:  x  x
    q 2:  x  x  x

  Args:
    query_positions: int32[Q], position of each query.
    key_positions: int32[K], position of each key.

  Returns:
    float32[1, 1, Q, K], 0 where the key is not later than the query.
  """
  visible = key_positions[None, :] <= query_positions[:, None]
  return jnp.where(visible, 0.0, NEGATIVE).astype(jnp.float32)[None, None]
