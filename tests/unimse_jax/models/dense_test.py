"""The linear map against flax's, and the form of its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from unimse_jax.models.dense import Dense, time_first


def _value(module, variables, x):
  return jnp.sum(jnp.sin(module.apply(variables, x)))


@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7)])
@pytest.mark.parametrize(
  ("use_bias", "options"),
  [(True, {}), (False, {}), (True, {"dot_general": time_first})],
)
def test_values_and_gradients_are_those_of_flax(shape, use_bias, options):
  x = jax.random.normal(jax.random.key(0), shape)
  ours, theirs = (
    kind(5, use_bias=use_bias, kernel_init=nn.initializers.normal(1.0), **own)
    for kind, own in ((Dense, options), (nn.Dense, {}))
  )
  variables = theirs.init(jax.random.key(1), x)
  jax.tree.map(
    np.testing.assert_array_equal, ours.init(jax.random.key(1), x), variables
  )
  found, expected = (
    jax.value_and_grad(lambda *given, own=each: _value(own, *given), (0, 1))(
      variables, x
    )
    for each in (ours, theirs)
  )
  # Sums of at most 7 products, in another order.
  jax.tree.map(
    lambda left, right: np.testing.assert_allclose(left, right, 0, 1e-6),
    found,
    expected,
  )


def test_a_kernel_s_gradient_is_not_transposed():
  x = jnp.ones((2, 3, 7))
  counts = {}
  for kind in (Dense, nn.Dense):
    module = kind(5)
    variables = module.init(jax.random.key(0), x)
    jaxpr = jax.make_jaxpr(jax.grad(_value, 1), static_argnums=0)(
      module, variables, x
    )
    counts[kind] = str(jaxpr).count(" transpose[")
  assert counts == {Dense: 0, nn.Dense: 1}


def test_the_compute_type_is_kept():
  module = Dense(5, dtype=jnp.bfloat16)
  x = jnp.ones((2, 7))
  variables = module.init(jax.random.key(0), x)
  assert module.apply(variables, x).dtype == jnp.bfloat16
  grads = jax.grad(lambda given: module.apply(given, x).sum().astype(float))(
    variables
  )
  assert {leaf.dtype for leaf in jax.tree.leaves(grads)} == {jnp.dtype("f4")}
