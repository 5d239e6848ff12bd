"""MAG: Multimodal Adaptation Gate (Rahman et al., ACL 2020)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense
from unimse_jax.models.layers import Dropout
from unimse_jax.rivals.row_statistics import length
from unimse_jax.rivals.streams import TEXT, Fused, Stream, spans


def align(words: jax.Array, stream: Stream) -> jax.Array:
  """The frames of each word, if all words take equally long.

  Args:
    words: bool[B, S], the utterance's words.
    stream: frames [B, F, N] of another modality.

  Returns:
    float32[B, S, N], the mean of the frames, each weighted with the time that
    it shares with the word; zeros where there is no word or no frame.
  """
  (word_start, word_end), (start, end) = spans(words), spans(stream.mask)
  shared = jnp.minimum(word_end[:, :, None], end[:, None])
  shared -= jnp.maximum(word_start[:, :, None], start[:, None])
  both = words[:, :, None] & stream.mask[:, None]
  weights = jnp.where(both, jnp.maximum(shared, 0.0), 0.0)
  total = weights.sum(axis=2, keepdims=True)
  weights /= jnp.where(total > 0, total, 1.0)
  return jnp.einsum("BSF,BFN->BSN", weights, stream.frames)


def shifted(
  states: jax.Array, displacement: jax.Array, most: float
) -> jax.Array:
  """Section 4: Z + alpha H, with alpha = min(beta |Z| / |H|, 1).

  Args:
    states: float32[B, S, D], Z.
    displacement: float32[B, S, D], H.
    most: beta, the longest shift in units of the length of Z.

  Returns:
    float32[B, S, D].
  """
  long = length(displacement)
  ratio = most * length(states) / jnp.where(long > 0, long, 1.0)
  return states + jnp.minimum(ratio, 1.0)[..., None] * displacement


class MAG(nn.Module):
  """Voice and face shift the states of the words.

    g_a = ReLU(W_ga [Z; A] + b_ga), and g_v alike
    H = g_a o (W_a A) + g_v o (W_v V) + b_H

  The gate stands behind T5's last layer; the paper has it inside of BERT or
  XLNet, best before the first layer. The paper's voice and face are aligned to
  words with a transcript's times, which records have not: `align` shares them
  out evenly. Mean and tanh layer stand in place of BERT's pooled first token.
  As in the paper and not in its code, H has one bias, and no gate is on it.

  Attributes:
    shift: beta.
  """

  width: int
  dropout: float
  shift: float = 1.0

  @nn.compact
  def __call__(
    self,
    streams: dict[str, Stream],
    batch: dict[str, jax.Array],
    deterministic: bool,
  ) -> Fused:
    """See `streams`."""
    del batch
    words = streams[TEXT]
    states, size = words.frames, words.frames.shape[-1]
    displacements = []
    for name, stream in streams.items():
      if name == TEXT:
        continue
      frames = align(words.mask, stream)
      joined = jnp.concatenate([words.frames, frames], axis=-1)
      gate = nn.relu(Dense(size, name=f"{name}_gate")(joined))
      move = Dense(size, use_bias=False, name=f"{name}_displacement")(frames)
      displacements.append(gate * move)
    if displacements:
      bias = self.param("bias", nn.initializers.zeros, (size,))
      states = shifted(states, sum(displacements) + bias, self.shift)
    states = nn.LayerNorm(epsilon=1e-5, name="norm")(states)
    states = Dropout(self.dropout)(states, deterministic)
    pooled = Stream(states, words.mask).mean()
    return Fused(jnp.tanh(Dense(self.width, name="hidden")(pooled)))
