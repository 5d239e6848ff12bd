"""Linear heads that tell what a corpus annotates from the fused text."""

import jax
from flax import linen as nn

from unimse_jax.models import masks
from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout


class Heads(nn.Module):
  """A linear map for each target, of the mean over the utterance's tokens.

  Attributes:
    targets: (slot, number of classes); 1 for the intensity.
    dropout: share of the mean that a training step drops.
  """

  targets: tuple[tuple[str, int], ...]
  dropout: float

  @nn.compact
  def __call__(
    self, states: jax.Array, mask: jax.Array, deterministic: bool
  ) -> dict[str, jax.Array]:
    """Reads the encoder.

    Args:
      states: [B, S, D], what the decoder reads.
      mask: bool[B, S], the utterance's own tokens, at least one a row.
      deterministic: False draws dropout from the "dropout" stream.

    Returns:
      slot -> float32[B, C], the classes' logits; the intensity's is
      float32[B, 1], in points of the score.
    """
    # Rows that pad the batch have no token.
    mean = masks.mean(states, mask)
    mean = Dropout(self.dropout)(mean, deterministic)
    return {name: Dense(size, name=name)(mean) for name, size in self.targets}
