"""ICCN: Interaction Canonical Correlation Network (Sun et al., AAAI 2020)."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.scipy.linalg import solve_triangular

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.row_statistics import mean_of_rows
from unimse_jax.rivals.streams import TEXT, Fused, Stream
from unimse_jax.rivals.utterance_vectors import UtteranceVectors

_RIDGE = 1e-3  # on the covariances: of few rows they have no inverse


def canonical_correlation(
  x: jax.Array, y: jax.Array, rows: jax.Array
) -> jax.Array:
  """The sum of the canonical correlations of two vectors of the same rows.

  That is the sum of the singular values of
  S_xx^(-1/2) S_xy S_yy^(-1/2) (Andrew et al. 2013). Cholesky factors stand in
  place of the symmetric roots, which they equal but for a rotation.

  Args:
    x, y: float32[B, N].
    rows: bool[B], the sample.

  Returns:
    float32[], between 0 and N.
  """

  def centred(z):
    return jnp.where(rows[:, None], z - mean_of_rows(z, rows), 0.0)

  def root(z):
    ridge = _RIDGE * jnp.eye(z.shape[1])
    return jnp.linalg.cholesky(z.T @ z / degrees + ridge)

  x, y = centred(x), centred(y)
  degrees = jnp.maximum(rows.sum() - 1, 1)
  half = solve_triangular(root(x), x.T @ y / degrees, lower=True)
  whitened = solve_triangular(root(y), half.T, lower=True)
  return jnp.linalg.svd(whitened, compute_uv=False).sum()


class Convolutions(nn.Module):
  """Features of an outer product: two of convolution, ReLU and maxima."""

  features: int

  @nn.compact
  def __call__(self, product: jax.Array) -> jax.Array:
    """[B, W, W] -> [B, features]."""
    maps = product[..., None]
    for name, channels in (("first", 4), ("second", 8)):
      maps = nn.relu(nn.Conv(channels, (3, 3), name=name)(maps))
      maps = nn.max_pool(maps, (2, 2), strides=(2, 2))
    return Dense(self.features, name="out")(maps.reshape(len(maps), -1))


class ICCN(nn.Module):
  """Text-based voice and text-based face, correlated with each other.

  Each is made of the outer product of the words' vector with the modality's, by
  convolutions. What the system gives back is made of both and of the words'
  vector. The utterance's vectors stand in place of BERT's and of those of
  convolution and LSTM. The paper takes turns between the correlation's loss and
  the task's; here they are one sum. Its text leaves the convolutions' sizes
  open.

  Attributes:
    features: number of the features of a text-based modality; correlations of
      more features than rows of a batch are all one, and teach nothing.
    correlation: weight of the loss, which is minus the sum of the canonical
      correlations, of the rows with all modalities.
  """

  width: int
  dropout: float
  features: int = 8
  correlation: float = 0.1

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    del batch
    vectors = UtteranceVectors(self.width, self.dropout, name="vectors")(
      streams, deterministic
    )
    words, based = vectors.pop(TEXT), {}
    for name, vector in vectors.items():
      product = words[:, :, None] * vector[:, None]
      features = Convolutions(self.features, name=f"{name}_convolutions")(
        product
      )
      there = (streams[TEXT].present & streams[name].present)[:, None]
      based[name] = jnp.where(there, features, 0.0)
    joined = jnp.concatenate([words, *based.values()], axis=-1)
    joined = Dropout(self.dropout)(joined, deterministic)
    vector = nn.relu(Dense(self.width, name="hidden")(joined))
    if deterministic or len(based) < 2:
      return Fused(vector)
    rows = jnp.stack([each.present for each in streams.values()]).all(axis=0)
    correlated = canonical_correlation(*based.values(), rows)
    return Fused(vector, {"correlation": -self.correlation * correlated})
