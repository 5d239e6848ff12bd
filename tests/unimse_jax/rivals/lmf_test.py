"""LMF's product is that of the tensor, which it never makes."""

import numpy as np

from unimse_jax.rivals.lmf import low_rank_product


def test_equal_to_weights_of_low_rank_times_the_tensor():
  rng = np.random.default_rng(0)
  sizes, rank, width = (3, 2, 4), 5, 6
  vectors = [rng.standard_normal((7, size)) for size in sizes]
  factors = [rng.standard_normal((rank, size + 1, width)) for size in sizes]
  with_one = [np.concatenate([v, np.ones((7, 1))], axis=1) for v in vectors]
  tensor = np.einsum("Bi,Bj,Bk->Bijk", *with_one)
  weights = np.einsum("Riw,Rjw,Rkw->ijkw", *factors)
  expected = np.einsum("Bijk,ijkw->Bw", tensor, weights)
  # float32 against float64, sums of up to 300 products.
  np.testing.assert_allclose(
    low_rank_product(vectors, factors), expected, rtol=1e-4, atol=1e-4
  )
