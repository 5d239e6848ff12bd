"""The tensor of TFN on a case small enough to write down."""

import jax.numpy as jnp
import numpy as np

from unimse_jax.rivals.tfn import outer_product


def test_the_tensor_holds_every_product_of_the_modalities():
  text, audio, video = jnp.array([[2.0, 3.0]]), jnp.array([[5.0]]), [[7.0]]
  product = outer_product([text, audio, jnp.array(video)])
  expected = [
    [2 * 5 * 7, 2 * 5, 2 * 7, 2],
    [3 * 5 * 7, 3 * 5, 3 * 7, 3],
    [5 * 7, 5, 7, 1],
  ]
  np.testing.assert_array_equal(product, np.reshape(expected, (1, -1)))


def test_an_absent_modality_leaves_the_products_of_the_others():
  text, absent = jnp.array([[2.0, 3.0]]), jnp.zeros((1, 1))
  product = outer_product([text, absent])
  np.testing.assert_array_equal(product, [[0, 2, 0, 3, 0, 1]])
