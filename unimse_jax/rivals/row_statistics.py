"""Figures over some of the rows of a batch, with gradients that stay finite."""

import jax
import jax.numpy as jnp


def mean_of_rows(values: jax.Array, rows: jax.Array) -> jax.Array:
  """float32[B, ...], bool[B] -> float32[...]; zeros where no row is chosen."""
  weights = rows.astype(jnp.float32)
  total = jnp.tensordot(weights, values, axes=1)
  return total / jnp.maximum(weights.sum(), 1.0)


def length(vector: jax.Array) -> jax.Array:
  """[..., N] -> [...], the Euclidean; at zero its gradient is zero, not NaN."""
  squares = jnp.square(vector).sum(axis=-1)
  positive = squares > 0
  return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)
