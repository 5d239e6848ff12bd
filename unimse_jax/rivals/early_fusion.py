"""Early fusion: one vector of each modality, side by side, and a hidden layer.

The floor among the networks: no system should be behind it.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.streams import Fused, Stream
from unimse_jax.rivals.utterance_vectors import UtteranceVectors


class EarlyFusion(nn.Module):
  """ReLU(W [x^t; x^a; x^v])."""

  width: int
  dropout: float

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
    joined = jnp.concatenate([*vectors.values()], axis=-1)
    joined = Dropout(self.dropout)(joined, deterministic)
    return Fused(nn.relu(Dense(self.width, name="hidden")(joined)))
