"""One vector for each modality of an utterance, as most systems start."""

import jax
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.recurrent import ModalityEncoder
from unimse_jax.rivals.streams import TEXT, Stream


class UtteranceVectors(nn.Module):
  """One vector for each modality of an utterance.

  The mean of T5's states for the words; for voice and face the LSTM that
  UniMSE's own have, so that systems differ in what follows.
  """

  width: int
  dropout: float

  @nn.compact
  def __call__(
    self, streams: dict[str, Stream], deterministic: bool
  ) -> dict[str, jax.Array]:
    """name -> float32[B, width]; zeros where the utterance lacks it."""
    vectors = {}
    for name, stream in streams.items():
      if name == TEXT:
        vectors[name] = Dense(self.width, name=TEXT)(stream.mean())
        continue
      vectors[name], _ = ModalityEncoder(
        self.width, stream.longest, self.dropout, name=name
      )(stream.frames, stream.mask, deterministic)
    return vectors
