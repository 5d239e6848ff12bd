"""Linear maps whose gradient is computed in the kernel's own layout."""

import functools
from collections.abc import Callable

import jax
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name

PRODUCT = "product"  # what comes of a linear map, less its bias


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _product(x: jax.Array, kernel: jax.Array, batch_first: bool) -> jax.Array:
  """[..., N] times [N, M] -> [..., M]."""
  del batch_first
  return jax.lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))


def _product_forward(x, kernel, batch_first):
  return _product(x, kernel, batch_first), (x, kernel)


def _product_backward(batch_first, saved, gradient):
  x, kernel = saved
  axes = (((gradient.ndim - 1,), (1,)), ((), ()))
  d_x = jax.lax.dot_general(gradient, kernel, axes)
  # jax makes the transpose of this, [M, N], and XLA then copies the gradient
  # to transpose it back: on a CPU more than half of the time of a product.
  if batch_first:  # else devices would send each other the batch to merge axes
    x = x.reshape(-1, x.shape[-1])
    gradient = gradient.reshape(-1, gradient.shape[-1])
  rows = tuple(range(x.ndim - 1))
  d_kernel = jax.lax.dot_general(x, gradient, ((rows, rows), ((), ())))
  return d_x, d_kernel


_product.defvjp(_product_forward, _product_backward)


def _dot_general(
  x, kernel, dimensions, precision=None, batch_first=True
) -> jax.Array:
  """`_product` as `nn.Dense` calls it."""
  del dimensions, precision  # always the last and the first; the default
  # The name is what `remat` knows it by: a custom gradient hides the product.
  return checkpoint_name(_product(x, kernel, batch_first), PRODUCT)


# Of a `Dense` that reads [A, B, N], with the batch as the second axis.
time_first = functools.partial(_dot_general, batch_first=False)


class Dense(nn.Dense):
  """`nn.Dense`, faster to train."""

  dot_general: Callable[..., jax.Array] = _dot_general
