"""The LSTM that reads a modality's frames (section 3.3 of the paper)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from unimse_jax.models.dense import Dense, time_first
from unimse_jax.models.layers import Dropout
from unimse_jax.models.recurrence import recur


def _chrono_bias(longest: int) -> nn.initializers.Initializer:
  """Biases under which the units forget at different speeds.

  Tallec and Ollivier 2018, "Can recurrent neural networks warp time?": forget
  gates start at log(t) for time scales t of 1 to `longest` frames, input gates
  at the negative. The state after the last frame, which alone is read, then
  starts as a summary of the whole clip and not of its trailing silence.
  """

  def init(key, shape, dtype=jnp.float32) -> jax.Array:
    del key
    forget = jnp.log(jnp.linspace(1.0, longest, shape[0] // 4, dtype=dtype))
    zeros = jnp.zeros_like(forget)
    return jnp.concatenate([-forget, forget, zeros, zeros])

  return init


class LSTM(nn.Module):
  """A unidirectional, one-layer LSTM over frames of unequal number.

  The input projection is one product outside of the loop: at width 64 the
  loop is all latency, so it holds the recurrent product alone.
  """

  width: int
  longest: int  # frames, of a clip

  @nn.compact
  def __call__(
    self, frames: jax.Array, mask: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Reads the valid frames.

    Args:
      frames: float[B, A, N].
      mask: bool[B, A]; the state stands still at invalid frames.

    Returns:
      float32[B, width], the state after the last valid frame (zeros where
      there is none), and float32[B, A, width], the state after each frame.
    """
    init = nn.initializers.uniform(2 * self.width**-0.5)

    def kernel_init(key, shape, dtype=jnp.float32):
      return init(key, shape, dtype) - self.width**-0.5

    projected = Dense(
      4 * self.width,
      name="input",
      kernel_init=nn.initializers.xavier_normal(),
      bias_init=_chrono_bias(self.longest),
      dot_general=time_first,
    )(frames.astype(jnp.float32).swapaxes(0, 1))
    kernel = self.param("recurrent", kernel_init, (self.width, 4 * self.width))
    states = recur(projected, mask.swapaxes(0, 1), kernel)
    return states[-1], states.swapaxes(0, 1)


class ModalityEncoder(nn.Module):
  """LSTM, dropout and one linear map: the representation X^a or X^v."""

  width: int
  longest: int  # frames, of a clip
  dropout: float
  bidirectional: bool = False  # a second LSTM reads from the end

  @nn.compact
  def __call__(
    self, frames: jax.Array, mask: jax.Array, deterministic: bool
  ) -> tuple[jax.Array, jax.Array]:
    """Encodes frames [B, A, N] with mask bool[B, A].

    Returns:
      float32[B, width], zeros for a row without frames (absent), and the
      LSTM's states float32[B, A, width], or [B, A, 2 width] where it reads in
      both directions; zeros at invalid frames.
    """
    last, states = LSTM(self.width, self.longest, name="lstm")(frames, mask)
    if self.bidirectional:
      # From the end, padding comes first, and there the state stands still.
      first, back = LSTM(self.width, self.longest, name="lstm_backward")(
        frames[:, ::-1], mask[:, ::-1]
      )
      last = jnp.concatenate([last, first], -1)
      states = jnp.concatenate([states, back[:, ::-1]], -1)
    states = jnp.where(mask[..., None], states, 0.0)
    last = Dropout(self.dropout)(last, deterministic)
    present = mask.any(axis=1, keepdims=True)
    out = Dense(self.width, name="out")(last)
    return jnp.where(present, out, 0.0), states
